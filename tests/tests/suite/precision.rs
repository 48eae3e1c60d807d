//! Half precision on master weights.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor};
use burn_pipeline::{
    PipelineConfig, PipelineModule, Precision, Rematerialization, ScheduleKind, Sequential, Skip,
};
use burn_pipeline_tests::compare::{Step, assert_close, assert_close_parameters, parameters};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{
    Convolution, Frozen, Mlp, Pair, Skips, Tied, Toy, WithoutDropout, mean_square,
};
use burn_pipeline_tests::pipelined::{first_step, partitions_for, pipeline};
use rstest::rstest;

/// How far a number may be from that in `f32`: some roundings of 2^-8 or 2^-11 each.
fn tolerance(precision: Precision) -> f32 {
    match precision {
        Precision::Full => 0.0,
        Precision::BF16 => 0.1,
        Precision::F16 => 0.0125,
    }
}

/// Relative to the largest entry of all gradients: one that is nothing but rounding, of a bias before
/// a batch norm say, has no size of its own.
fn assert_near(half: &Step, full: &Step, precision: Precision) {
    let entries = |step: &Step| -> Vec<f32> {
        let gradients = step.gradients.values().flatten().flatten();
        gradients.copied().collect()
    };
    let tolerance = tolerance(precision);
    assert_close("gradients", &entries(half), &entries(full), tolerance);
    assert_close("loss", &half.loss, &full.loss, tolerance);
}

#[rstest]
fn half_precision_is_near_full_precision_and_the_same_for_every_partition(
    #[values(
        near::<Mlp>,
        near::<WithoutDropout>,
        near::<Convolution>,
        near::<Pair>,
        near::<Tied>,
        near::<Frozen<0, 3>>,
        near::<Skips<Skip<Tensor<2>>>>
    )]
    near: fn(&PipelineConfig),
    #[values(Precision::BF16, Precision::F16)] precision: Precision,
    #[values("gpipe", "1f1b", "interleaved:2")] schedule: &str,
    #[values(1, 3)] num_micro_batches: usize,
) {
    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(schedule.parse().unwrap())
        .with_precision(precision);
    near(&config);
}

fn near<T: Toy>(config: &PipelineConfig) {
    let _generator = T::DRAWS.then(generator);
    let device = Device::flex();
    let num_layers = T::model(&device).num_layers();
    let kind: ScheduleKind = config.schedule.clone();
    let all = partitions_for(&kind, num_layers);
    let full = config.clone().with_precision(Precision::Full);
    let expected = first_step::<T>(&full, &all[0], 7, &device);

    let mut first: Option<Step> = None;
    for counts in all {
        println!("counts {counts:?}");
        let step = first_step::<T>(config, &counts, 7, &device);
        assert_near(&step, &expected, config.precision);
        first.get_or_insert(step.clone()).assert_same(&step);

        let always = Rematerialization::Always;
        let recomputing = config.clone().with_rematerialization(always);
        first_step::<T>(&recomputing, &counts, 7, &device).assert_same(&step);
    }
    let half = first.expect("at least one partition");
    let same = expected.gradients == half.gradients;
    assert!(!same, "half precision rounds");
}

#[rstest]
fn weights_gradients_and_statistics_stay_in_full_precision(
    #[values(Precision::BF16, Precision::F16)] precision: Precision,
    #[values(1, 4)] num_micro_batches: usize,
) {
    let train = |precision| {
        let config = PipelineConfig::new()
            .with_num_micro_batches(num_micro_batches)
            .with_precision(precision);
        let mut pipeline = pipeline::<Convolution>(&config, &[4, 4], &Device::flex());
        let mut optimizer = AdamConfig::new().init();
        for _ in 0..4 {
            let (input, target) = Convolution::batch(8, &Device::flex());
            let step = pipeline
                .prepare_step(input, target)
                .with_outputs()
                .run(Convolution::loss)
                .unwrap();
            assert_eq!(step.outputs.expect("asked for").dtype(), DType::F32);
            assert_eq!(step.loss.dtype(), DType::F32);
            assert_full(&pipeline, &step.grads);
            pipeline = optimizer.step(1e-4, pipeline, step.grads);
        }
        let (input, _) = Convolution::batch(8, &Device::flex());
        assert_eq!(pipeline.forward(input).unwrap().dtype(), DType::F32);
        parameters(&pipeline)
    };
    assert_close_parameters(&train(precision), &train(Precision::Full), 0.02);
}

#[rstest]
fn a_gathered_loss_is_in_full_precision(
    #[values(Precision::BF16, Precision::F16)] precision: Precision,
) {
    let step = |precision| {
        let config = PipelineConfig::new().with_precision(precision);
        let pipeline = pipeline::<Mlp>(&config, &[2, 3], &Device::flex());
        let (input, target) = Mlp::batch(8, &Device::flex());
        let step = pipeline
            .prepare_step(input, target)
            .run_gathered(|output, target| {
                assert_eq!(output.dtype(), DType::F32);
                mean_square(output, target)
            });
        let step = step.unwrap();
        Step::new(step.loss, &step.grads, &pipeline)
    };
    assert_near(&step(precision), &step(Precision::Full), precision);
}

/// Half of the bytes cross.
#[test]
fn boundaries_are_half_as_large() {
    let bytes = |precision| {
        let config = PipelineConfig::new().with_precision(precision);
        let pipeline = pipeline::<Mlp>(&config, &[2, 3], &Device::flex());
        let (input, target) = Mlp::batch(8, &Device::flex());
        let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
        step.bytes_received
    };
    let full = bytes(Precision::Full);
    let half: Vec<u64> = full.iter().map(|bytes| bytes / 2).collect();
    assert_eq!(bytes(Precision::BF16), half);
}

fn assert_full(pipeline: &PipelineModule<Convolution>, grads: &GradientsParams) {
    pipeline.visit(&mut Full(grads));
}

struct Full<'a>(&'a GradientsParams);

impl ModuleVisitor for Full<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        assert_eq!(param.base().dtype(), DType::F32);
        if let Some(gradient) = self.0.get::<D>(param.id) {
            assert_eq!(gradient.dtype(), DType::F32);
        }
    }
}
