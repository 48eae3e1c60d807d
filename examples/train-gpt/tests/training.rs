//! Training comes out the same, however it is cut into stages and runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use burn_pipeline::Schedule;
use clap::Parser;
use train_gpt::{Args, Comparison, Text, Training, resume, save, validation_loss};

/// Burn's random generator belongs to the process: one training draws from it at a time.
fn alone() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

fn args(more: &str) -> Args {
    let tiny = "train-gpt --layers 2 --width 16 --heads 2 --context 12 --batch-size 7 \
                --micro-batches 4 --steps 4 --threads-per-stage 1";
    Args::parse_from(tiny.split_whitespace().chain(more.split_whitespace()))
}

fn text() -> Text {
    Text::new(
        "the quick brown fox jumps over the lazy dog. "
            .repeat(20)
            .into(),
    )
}

/// Take up to `num_steps` steps, and return the losses as well.
fn advance(mut training: Training, args: &Args, num_steps: usize) -> (Training, Vec<f32>) {
    let mut losses = Vec::new();
    let batches = training.batches(&text(), args);
    for batch in batches.iter().take(num_steps) {
        let step = training.gradients(batch.unwrap()).unwrap();
        losses.push(step.loss.into_scalar());
        training = training.update(step.grads).unwrap();
    }
    (training, losses)
}

fn weights(training: &Training) -> BTreeMap<String, Vec<f32>> {
    let mut reader = Reader::default();
    training.pipeline.visit(&mut reader);
    reader.weights
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    weights: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().try_into_vec_as().unwrap();
        self.weights.insert(self.path.join("."), values);
    }
}

#[test]
fn the_same_seed_gives_the_same_result_for_every_number_of_stages() {
    let _alone = alone();
    for more in [
        "",
        "--dropout 0.2",
        "--tie-embeddings",
        "--dropout 0.2 --tie-embeddings",
    ] {
        let train = |stages: usize| {
            let args = args(&format!("--stages {stages} {more}"));
            let (training, losses) = advance(Training::new(&args).unwrap(), &args, 3);
            let loss = validation_loss(&training.pipeline, text().held_out(), &args).unwrap();
            (losses, weights(&training), loss)
        };
        let whole = train(1);
        for stages in 2..=4 {
            assert!(train(stages) == whole, "{stages} stages, {more}");
        }
    }
}

#[test]
fn every_schedule_trains_to_the_same_losses() {
    let _alone = alone();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let own = folder.join("own-schedule");
    let csv = folder.join("own-schedule.csv");
    let text = "stage 0 F1 F0 F3 F2 B1 R0 B0 B3 B2\nstage 1 F1 B1 F0 B0 F3 B3 F2 B2";
    fs::write(&own, text).unwrap();
    fs::write(&csv, text.parse::<Schedule>().unwrap().to_csv()).unwrap();

    let train = |schedule: &str| {
        let args = args(&format!("--dropout 0.2 {schedule}"));
        let training = Training::new(&args).unwrap();
        assert_eq!(training.pipeline.stage_devices().len(), 2, "{schedule}");
        advance(training, &args, 3).1
    };
    let expected = train("--schedule gpipe");
    for schedule in [
        "--schedule 1f1b",
        "--schedule 1f1b --rematerialization always",
        "--schedule interleaved:2",
        "--schedule breadth-first:2",
        &format!("--schedule-file {}", own.display()),
        &format!("--schedule-file {}", csv.display()),
    ] {
        let losses = train(schedule);
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
        assert!(
            losses.len() == 3 && losses.iter().zip(&expected).all(near),
            "{schedule}: {losses:?} instead of {expected:?}"
        );
    }
}

#[test]
fn a_schedule_of_ones_own_says_how_many_stages_and_micro_batches_there_are() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("three-stages");
    fs::write(&file, "stage 0 F0 B0\nstage 1 F0 B0\nstage 2 F0 B0").unwrap();
    let parse = |more: &str| {
        let flags = format!("train-gpt --schedule-file {} {more}", file.display());
        let args = Args::parse_from(flags.split_whitespace());
        (args.num_stages(), args.num_micro_batches())
    };
    assert_eq!(parse(""), (3, 1));
    assert_eq!(parse("--stages 2 --micro-batches 4"), (2, 4));
    assert_eq!(Args::parse_from(["train-gpt"]).num_micro_batches(), 8);
}

#[test]
fn another_seed_gives_another_result() {
    let _alone = alone();
    let start = |seed: u64| weights(&Training::new(&args(&format!("--seed {seed}"))).unwrap());
    assert!(start(0) == start(0));
    assert!(start(0) != start(1));
}

#[test]
fn a_resumed_run_goes_on_as_if_it_had_not_stopped() {
    let _alone = alone();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("resumed");
    let before = args("--dropout 0.2 --tie-embeddings --stages 2");
    let after = args("--dropout 0.2 --tie-embeddings --stages 3");

    let (whole, losses) = advance(Training::new(&before).unwrap(), &before, 4);
    let (half, first) = advance(Training::new(&before).unwrap(), &before, 2);
    save(&half, &before, &directory).unwrap();
    let half = resume(Training::new(&after).unwrap(), &after, &directory).unwrap();
    assert_eq!(half.pipeline.num_steps(), 2);
    let (resumed, second) = advance(half, &after, 4);

    assert_eq!([first, second].concat(), losses);
    assert!(weights(&resumed) == weights(&whole));
}

#[test]
fn a_saved_run_of_another_shape_is_refused_with_both_numbers() {
    let _alone = alone();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("another-shape");
    let saved = args("--width 8");
    save(&Training::new(&saved).unwrap(), &saved, &directory).unwrap();

    let args = args("");
    let error = resume(Training::new(&args).unwrap(), &args, &directory).err();
    let message = error.unwrap().to_string();
    assert!(
        message.ends_with(
            "has a model of --width 8, but this run has --width 16: give --width 8 to go on"
        ),
        "{message}"
    );
}

#[test]
fn the_plain_model_trains_the_same_within_rounding() {
    let _alone = alone();
    for more in ["", "--tie-embeddings", "--dropout 0.2"] {
        let args = args(&format!("--stages 3 {more}"));
        let mut training = Training::new(&args).unwrap();
        let mut plain = Comparison::new(&training, args.seed).unwrap();
        for batch in training.batches(&text(), &args).iter() {
            let batch = batch.unwrap();
            let step = training.gradients(batch.clone()).unwrap();
            plain = plain.step(batch, &step).unwrap();
            training = training.update(step.grads).unwrap();
        }
        assert!(plain.loss_difference() < 1e-5, "{plain}");
        assert!(plain.gradient_difference() < 1e-3, "{plain}");
    }
}
