//! Clipping by the norm of all gradients, under every schedule.

use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    PipelineConfig, Rematerialization, ScheduleKind, Sequential, Skip, clip_gradients_by_norm,
};
use burn_pipeline_tests::compare::Step;
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{
    Convolution, Frozen, Mlp, Skips, Tied, Toy, Transformer, WithoutDropout,
};
use burn_pipeline_tests::pipelined::{partitions_for, pipeline};
use rstest::rstest;

/// Far below the norms that the toys have.
const MAX_NORM: f64 = 1e-3;

/// A tied weight counts once in it, and a frozen one not at all.
#[rstest]
fn clipped_gradients_are_the_same_for_every_partition_and_rematerialization(
    #[values(
        clips::<Mlp>,
        clips::<WithoutDropout>,
        clips::<Transformer>,
        clips::<Convolution>,
        clips::<Tied>,
        clips::<Frozen<0, 3>>,
        clips::<Skips<Skip<Tensor<2>>>>
    )]
    clips: fn(&PipelineConfig),
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values(1, 4)] num_micro_batches: usize,
) {
    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(schedule.parse().unwrap());
    clips(&config);
}

fn clips<T: Toy>(config: &PipelineConfig) {
    let _generator = T::DRAWS.then(generator);
    let kind: ScheduleKind = config.schedule.clone();
    let num_layers = T::model(&Device::flex()).num_layers();
    let mut first: Option<(f64, Step)> = None;
    for counts in partitions_for(&kind, num_layers) {
        for rematerialization in [Rematerialization::Never, Rematerialization::Always] {
            println!("counts {counts:?}, {rematerialization:?}");
            let config = config.clone().with_rematerialization(rematerialization);
            let (norm, step) = clipped::<T>(&config, &counts);
            let (expected, same) = first.get_or_insert((norm, step.clone()));
            assert_eq!(
                norm.to_bits(),
                expected.to_bits(),
                "{norm} is not {expected}"
            );
            step.assert_same(same);
        }
    }
}

/// The norm before, and the step with gradients of norm [`MAX_NORM`].
fn clipped<T: Toy>(config: &PipelineConfig, counts: &[usize]) -> (f64, Step) {
    let device = Device::flex();
    let pipeline = pipeline::<T>(config, counts, &device);
    let (input, target) = T::batch(7, &device);
    let mut step = pipeline.train_step(input, target, T::loss).unwrap();
    let norm_of = |step: &Step| {
        let gradients = step.gradients.values().flatten().flatten();
        let squares = gradients.map(|number| f64::from(*number).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let before = norm_of(&Step::new(step.loss.clone(), &step.grads, &pipeline));
    let norm = clip_gradients_by_norm(&pipeline, &mut step.grads, MAX_NORM);
    assert!(
        (norm - before).abs() < 1e-5 * before,
        "{norm} is not {before}"
    );

    let step = Step::new(step.loss, &step.grads, &pipeline);
    let after = norm_of(&step);
    // What PyTorch adds to the norm makes it a little less.
    assert!((after - MAX_NORM).abs() < 2e-3 * MAX_NORM, "{after}");
    (norm, step)
}
