//! Layers that draw random numbers draw the documented ones, however the model is cut.

use burn::tensor::Device;
use burn_pipeline::{
    PipelineConfig, PipelineModule, RandomLayers, Rematerialization, ScheduleKind, Sequential,
};
use burn_pipeline_tests::compare::Step;
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{Toy, Transformer};
use burn_pipeline_tests::pipelined::{first_step, partitions_for, pipeline};
use burn_pipeline_tests::reference::ByMicroBatches;
use burn_pipeline_tests::schedules::last_first;
use rstest::rstest;

#[rstest]
fn a_transformer_drops_out_what_its_layer_seeds_say(
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
    #[values(RandomLayers::Detect, RandomLayers::Every)] random_layers: RandomLayers,
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
) {
    let _generator = generator();
    let device = Device::flex();
    let kind: ScheduleKind = schedule.parse().unwrap();
    let reference = reference(num_micro_batches, last_first(&kind), num_samples, 0);

    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(kind.clone())
        .with_rematerialization(rematerialization)
        .with_random_layers(random_layers)
        .with_seed(SEED);
    for counts in partitions_for(&kind, Transformer::model(&device).num_layers()) {
        println!("counts {counts:?}");
        first_step::<Transformer>(&config, &counts, num_samples, &device).assert_same(&reference);
    }
}

#[test]
fn every_step_drops_out_something_else() {
    let _generator = generator();
    let device = Device::flex();
    let config = PipelineConfig::new()
        .with_num_micro_batches(2)
        .with_seed(SEED);
    let pipeline = pipeline::<Transformer>(&config, &[2, 3], &device);

    let mut losses = Vec::new();
    for step in 0..3 {
        assert_eq!(pipeline.num_steps(), step);
        let taken = take_step(&pipeline);
        taken.assert_same(&reference(2, true, 6, step));
        losses.push(taken.loss[0]);
    }
    assert!(losses[0] != losses[1] && losses[1] != losses[2]);
}

#[test]
fn a_resumed_run_draws_what_the_uninterrupted_one_draws() {
    let _generator = generator();
    let device = Device::flex();
    let config = PipelineConfig::new()
        .with_num_micro_batches(2)
        .with_seed(SEED);
    let resumed = pipeline::<Transformer>(&config, &[1, 4], &device);
    resumed.set_num_steps(7);
    take_step(&resumed).assert_same(&reference(2, true, 6, 7));
}

#[test]
fn another_seed_drops_out_something_else() {
    let _generator = generator();
    let device = Device::flex();
    let loss = |seed| {
        let config = PipelineConfig::new().with_seed(seed);
        first_step::<Transformer>(&config, &[2, 3], 6, &device).loss
    };
    assert_ne!(loss(1), loss(2));
}

const SEED: u64 = 42;

fn reference(num_micro_batches: usize, last_first: bool, num_samples: usize, step: u64) -> Step {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    ByMicroBatches {
        num_micro_batches,
        last_first,
        seed: SEED,
        step,
    }
    .step::<Transformer>(
        &Transformer::model(&tracked),
        Transformer::batch(num_samples, &tracked),
        &device,
    )
}

fn take_step(pipeline: &PipelineModule<Transformer>) -> Step {
    let (input, target) = Transformer::batch(6, &Device::flex());
    let step = pipeline
        .train_step(input, target, Transformer::loss)
        .unwrap();
    Step::new(step.loss, &step.grads, pipeline)
}
