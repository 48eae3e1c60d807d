//! Batch norm in training: each micro-batch by its own statistics, and running ones that move on
//! once for each, in order.

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, Rematerialization, ScheduleKind, Sequential};
use burn_pipeline_tests::compare::{Parameters, Step, assert_same_parameters, parameters};
use burn_pipeline_tests::models::{Convolution, Toy};
use burn_pipeline_tests::pipelined::{partitions_for, pipeline};
use burn_pipeline_tests::reference::ByMicroBatches;
use burn_pipeline_tests::schedules::last_first;
use rstest::rstest;

/// Burn keeps running statistics per thread. An engine that runs each step on new threads, or lets
/// a recomputation update them again, ends at other ones without an error.
#[rstest]
fn running_statistics_move_on_as_on_one_thread(
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
) {
    let device = Device::flex();
    let kind: ScheduleKind = schedule.parse().unwrap();
    let plain = plain_run(num_micro_batches, last_first(&kind), num_samples);

    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(kind.clone())
        .with_rematerialization(rematerialization);
    for counts in partitions_for(&kind, Convolution::model(&device).num_layers()) {
        let run = pipelined_run(&config, &counts, num_samples);
        for (step, (one, other)) in run.iter().zip(&plain).enumerate() {
            println!("counts {counts:?}, step {step}");
            one.0.assert_same(&other.0);
            assert_same_parameters(&one.1, &other.1);
        }
    }
}

#[test]
fn running_statistics_do_move_on() {
    let run = pipelined_run(&PipelineConfig::new(), &[4, 4], 8);
    let means: Vec<_> = run
        .iter()
        .map(|(_, parameters)| &parameters["blocks.0.1.running_mean"])
        .collect();
    assert_ne!(means[0], means[1]);
    assert_ne!(means[1], means[2]);
}

const NUM_STEPS: usize = 3;
const LEARNING_RATE: f64 = 0.1;

/// The numbers of each step, and the parameters and statistics after it.
type Run = Vec<(Step, Parameters)>;

fn plain_run(num_micro_batches: usize, last_first: bool, num_samples: usize) -> Run {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let mut optimizer = SgdConfig::new().init();
    let mut model = Convolution::model(&tracked);
    (0..NUM_STEPS)
        .map(|step| {
            let by_micro_batches = ByMicroBatches {
                num_micro_batches,
                last_first,
                seed: 0,
                step: step as u64,
            };
            let batch = Convolution::batch(num_samples, &tracked);
            let (loss, gradients) =
                by_micro_batches.gradients::<Convolution>(&model, batch, &device);
            let step = Step::new(loss, &gradients, &model);
            model = optimizer.step(LEARNING_RATE, model.clone(), gradients);
            (step, parameters(&model.valid()))
        })
        .collect()
}

fn pipelined_run(config: &PipelineConfig, counts: &[usize], num_samples: usize) -> Run {
    let device = Device::flex();
    let mut optimizer = SgdConfig::new().init();
    let mut pipeline = pipeline::<Convolution>(config, counts, &device);
    (0..NUM_STEPS)
        .map(|_| {
            let (input, target) = Convolution::batch(num_samples, &device);
            let taken = pipeline
                .train_step(input, target, Convolution::loss)
                .unwrap();
            let step = Step::new(taken.loss, &taken.grads, &pipeline);
            pipeline = optimizer.step(LEARNING_RATE, pipeline.clone(), taken.grads);
            (step, parameters(&pipeline))
        })
        .collect()
}
