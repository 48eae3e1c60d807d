//! Tied weights, skips and batch norms in one model.

use burn::module::Module;
use burn::optim::{AdamConfig, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{PipelineConfig, PipelineModule, Rematerialization, ScheduleKind, StepOutput};
use burn_pipeline_tests::compare::{
    Parameters, Step, assert_close, assert_same_parameters, parameters,
};
use burn_pipeline_tests::models::{Input, Mirror, Output, Toy};
use burn_pipeline_tests::pipelined::{partitions_for, pipeline};
use burn_pipeline_tests::reference::whole;
use burn_pipeline_tests::schedules::last_first;
use rstest::rstest;

type Run = Vec<(Step, Parameters)>;
type Take = fn(&PipelineModule<Mirror>, Input<Mirror>, Tensor<2>) -> StepOutput<Output<Mirror>>;

fn by_micro_batches(
    pipeline: &PipelineModule<Mirror>,
    input: Input<Mirror>,
    target: Tensor<2>,
) -> StepOutput<Output<Mirror>> {
    pipeline.train_step(input, target, Mirror::loss).unwrap()
}

fn gathered(
    pipeline: &PipelineModule<Mirror>,
    input: Input<Mirror>,
    target: Tensor<2>,
) -> StepOutput<Output<Mirror>> {
    let step = pipeline.prepare_step(input, target);
    let distances = |(output, _): Output<Mirror>, target: Tensor<2>| {
        output.matmul(target.transpose()).powi_scalar(2).mean()
    };
    step.run_gathered(distances).unwrap()
}

fn run(config: &PipelineConfig, counts: &[usize], num_samples: usize, take: Take) -> Run {
    let device = Device::flex();
    let mut optimizer = SgdConfig::new().init();
    let mut pipeline = pipeline::<Mirror>(config, counts, &device);
    (0..3)
        .map(|_| {
            let (input, target) = Mirror::batch(num_samples, &device);
            let taken = take(&pipeline, input, target);
            let step = Step::new(taken.loss, &taken.grads, &pipeline);
            pipeline = optimizer.step(0.1, pipeline.clone(), taken.grads);
            (step, parameters(&pipeline))
        })
        .collect()
}

/// Losses, gradients, weights and running statistics of several steps, to the last bit.
#[rstest]
fn together_they_are_the_same_for_every_partition_and_rematerialization(
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values((4, 8), (3, 7))] (num_micro_batches, num_samples): (usize, usize),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
    #[values(by_micro_batches, gathered)] take: Take,
) {
    let kind: ScheduleKind = schedule.parse().unwrap();
    let base = PipelineConfig::new().with_num_micro_batches(num_micro_batches);
    // A gathered loss has the order of GPipe where 1F1B cannot wait for it.
    let one_stage = match last_first(&kind) || take as usize == gathered as Take as usize {
        true => base.clone(),
        false => base.clone().with_schedule("1f1b".parse().unwrap()),
    };
    let one_stage = one_stage.with_rematerialization(Rematerialization::Never);
    let expected = run(&one_stage, &[7], num_samples, take);

    let config = base
        .with_schedule(kind.clone())
        .with_rematerialization(rematerialization);
    for counts in partitions_for(&kind, 7) {
        let found = run(&config, &counts, num_samples, take);
        for (step, (one, other)) in found.iter().zip(&expected).enumerate() {
            println!("counts {counts:?}, step {step}");
            one.0.assert_same(&other.0);
            assert_same_parameters(&one.1, &other.1);
        }
    }
}

/// One micro-batch: every norm sees the whole mini-batch.
#[rstest]
fn a_mini_batch_that_is_not_split_trains_as_the_plain_model(
    #[values(&[7], &[3, 4], &[1, 5, 1])] counts: &[usize],
) {
    let tracked = Device::flex().autodiff();
    let plain = Mirror::model(&tracked);
    let expected = whole::<Mirror>(&plain, Mirror::batch(6, &tracked));
    let statistics = parameters(&plain.valid());

    let config = PipelineConfig::new().with_num_micro_batches(1);
    let pipeline = pipeline::<Mirror>(&config, counts, &Device::flex());
    let (input, target) = Mirror::batch(6, &Device::flex());
    let taken = by_micro_batches(&pipeline, input, target);
    let step = Step::new(taken.loss, &taken.grads, &pipeline);
    assert_eq!(step.loss, expected.loss);
    for (path, gradient) in &step.gradients {
        let (Some(one), Some(other)) = (gradient, &expected.gradients[path]) else {
            continue;
        };
        assert_close(path, one, other, 1e-5);
    }
    for (path, values) in parameters(&pipeline) {
        assert_eq!(values, statistics[&path], "{path}");
    }
}

#[test]
fn together_they_learn() {
    let config = PipelineConfig::new().with_schedule("1f1b".parse().unwrap());
    let mut pipeline = pipeline::<Mirror>(&config, &[2, 3, 2], &Device::flex());
    let mut optimizer = AdamConfig::new().init();
    let losses: Vec<f32> = (0..40)
        .map(|_| {
            let (input, target) = Mirror::batch(16, &Device::flex());
            let taken = by_micro_batches(&pipeline, input, target);
            pipeline = optimizer.step(2e-2, pipeline.clone(), taken.grads);
            taken.loss.into_scalar::<f32>()
        })
        .collect();
    assert!(losses[39] < 0.7 * losses[0], "{losses:?}");
}
