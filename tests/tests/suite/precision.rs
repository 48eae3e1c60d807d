//! Half precision on master weights.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor};
use burn_pipeline::{
    LossScaler, LossScalerConfig, PipelineConfig, PipelineModule, PipelineOptimizer, Placement,
    Precision, Rematerialization, Saved, ScheduleKind, Sequential, Skip, lift,
};
use burn_pipeline_tests::compare::{
    Step, assert_close, assert_close_parameters, assert_same_parameters, parameters, values,
};
use burn_pipeline_tests::data::{filled, floats, generator};
use burn_pipeline_tests::models::{
    Convolution, Frozen, FrozenNorm, Mlp, Pair, Skips, Tied, Toy, WithoutDropout, mean_square,
};
use burn_pipeline_tests::optimizers::adam;
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

/// What does not train keeps its bits: a copy that is cast and cast back would not.
#[rstest]
fn a_frozen_norm_keeps_its_statistics(
    #[values(Precision::BF16, Precision::F16)] precision: Precision,
    #[values(1, 4)] num_micro_batches: usize,
) {
    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_precision(precision);
    let pipeline = pipeline::<FrozenNorm>(&config, &[4, 4], &Device::flex());
    let before = parameters(&pipeline);
    let (input, target) = FrozenNorm::batch(8, &Device::flex());
    pipeline
        .train_step(input, target, FrozenNorm::loss)
        .unwrap();
    assert_same_parameters(&parameters(&pipeline), &before);
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

/// A cut is not to narrow what a layer widens on purpose.
#[test]
fn what_a_layer_sends_in_full_precision_arrives_in_full_precision() {
    let config = PipelineConfig::new()
        .with_num_micro_batches(2)
        .with_precision(Precision::BF16);
    let step = |counts: &[usize]| {
        let device = Device::flex();
        let layers: [fn(&Linear, Tensor<2>) -> Tensor<2>; 3] = [
            |linear, input| linear.forward(input).cast(DType::F32),
            |linear, input| {
                assert_eq!(input.dtype(), DType::F32);
                linear.forward((input * 3.0 + 0.001).cast(DType::BF16))
            },
            |linear, input| linear.forward(input),
        ];
        let layers = layers.map(|it| lift(LinearConfig::new(4, 4).init(&device), it));
        let model: Vec<_> = filled(layers.into());
        let devices = vec![device.clone(); counts.len()];
        let placement = Placement::from_counts(&devices, counts);
        let pipeline = config.init(model, placement).unwrap();
        let input = floats([6, 4], 1, &device);
        let step = pipeline.train_step(input, (), |output, ()| output.powi_scalar(2).mean());
        let step = step.unwrap();
        Step::new(step.loss, &step.grads, &pipeline)
    };
    let whole = step(&[3]);
    step(&[1, 2]).assert_same(&whole);
    step(&[1, 1, 1]).assert_same(&whole);
}

#[rstest]
#[case::f16(Precision::F16, 2e-2)]
#[case::bf16(Precision::BF16, 5e-2)]
fn a_model_learns_in_half_precision_what_it_learns_in_full(
    #[case] precision: Precision,
    #[case] tolerance: f32,
    #[values("gpipe", "1f1b")] schedule: &str,
) {
    let kind: ScheduleKind = schedule.parse().unwrap();
    let config = PipelineConfig::new().with_schedule(kind);
    let full = train(&config, &[2, 3], 60);
    let half = config.with_precision(precision);
    let in_two = train(&half, &[2, 3], 60);
    let in_three = train(&half, &[1, 3, 1], 60);
    println!("full {full:?}, half {in_two:?}");
    assert_eq!(in_two, in_three);
    let (first, last) = (full[0], full[59]);
    assert!(last < first / 4.0, "{first} to {last}");
    for (full, half) in full.iter().zip(&in_two) {
        assert!((full - half).abs() < tolerance * first, "{full} {half}");
    }
}

#[test]
fn layers_compute_in_half_precision() {
    let pipeline = PipelineConfig::new()
        .with_precision(Precision::F16)
        .init(
            lift(
                Mlp::model(&Device::flex()),
                |model: &Mlp, input: Tensor<2>| {
                    assert_eq!(input.dtype(), DType::F16);
                    model.forward_by_hand(input)
                },
            ),
            Placement::even(&[Device::flex()]),
        )
        .unwrap();
    let (input, target) = Mlp::batch(6, &Device::flex());
    pipeline
        .train_step(input, target, |output: Tensor<2>, target: Tensor<2>| {
            assert_eq!((output.dtype(), target.dtype()), (DType::F32, DType::F32));
            Mlp::loss(output, target)
        })
        .unwrap();
}

/// A loss of which gradients are below the least number of `f16`, and so large that it overflows.
#[test]
fn a_scaler_finds_a_scale_at_which_gradients_neither_vanish_nor_overflow() {
    let config = PipelineConfig::new().with_precision(Precision::F16);
    let pipeline = pipeline::<Mlp>(&config, &[2, 3], &Device::flex());
    let step = |scale| {
        let (input, target) = Mlp::batch(6, &Device::flex());
        let step = pipeline.prepare_step(input, target).with_loss_scale(scale);
        step.run(|output, target| Mlp::loss(output, target) * 1e-7)
            .unwrap()
            .grads
    };
    let numbers = |grads| -> Vec<f32> {
        let step = Step::new(Tensor::zeros([1], &Device::flex()), &grads, &pipeline);
        step.gradients.into_values().flatten().flatten().collect()
    };
    let unscaled = numbers(step(1.0));
    let num_zeros = |numbers: &[f32]| numbers.iter().filter(|x| **x == 0.0).count();

    let mut scaler: LossScaler = LossScalerConfig::new()
        .with_initial_scale(2f64.powi(45))
        .init();
    let mut num_left_out = 0;
    let found = loop {
        match scaler.unscale(&pipeline, step(scaler.scale())) {
            Some(grads) => break numbers(grads),
            None => num_left_out += 1,
        }
    };
    println!("{num_left_out} left out, scale {}", scaler.scale());
    assert!(num_left_out > 0);
    assert!(found.iter().all(|x| x.is_finite()));
    assert!(num_zeros(&found) < num_zeros(&unscaled));
}

#[test]
fn a_saved_run_goes_on_in_half_precision() {
    let name = format!("half-{}", burn::module::ParamId::new().val());
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let config = PipelineConfig::new().with_precision(Precision::BF16);
    let start = || pipeline::<Convolution>(&config, &[4, 4], &Device::flex());
    let steps = |mut pipeline: PipelineModule<Convolution>, optimizer: &mut PipelineOptimizer| {
        for _ in 0..3 {
            let (input, target) = Convolution::batch(6, &Device::flex());
            let step = pipeline.train_step(input, target, Convolution::loss);
            pipeline = optimizer.step(0.05, pipeline, step.unwrap().grads).unwrap();
        }
        pipeline
    };
    let mut optimizer = PipelineOptimizer::new(adam());
    let half_way = steps(start(), &mut optimizer);
    let saved = Saved::new(&directory);
    saved.save(&half_way, &optimizer, None, &()).unwrap();
    let straight = steps(half_way, &mut optimizer);
    let loaded = saved
        .load::<_, ()>(start(), PipelineOptimizer::new(adam()))
        .unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    let mut optimizer = loaded.optimizer;
    let resumed = steps(loaded.pipeline, &mut optimizer);
    assert_same_parameters(&parameters(&resumed), &parameters(&straight));
}

fn train(config: &PipelineConfig, counts: &[usize], num_steps: usize) -> Vec<f32> {
    let mut pipeline = pipeline::<Mlp>(config, counts, &Device::flex());
    let mut optimizer = PipelineOptimizer::new(adam());
    let mut scaler = LossScalerConfig::new().with_initial_scale(256.0).init();
    let mut losses = Vec::new();
    for _ in 0..num_steps {
        let (input, target) = Mlp::batch(12, &Device::flex());
        let step = pipeline.prepare_step(input, target);
        let step = step.with_loss_scale(scaler.scale()).run(Mlp::loss).unwrap();
        losses.extend(values(step.loss.into_data()));
        if let Some(grads) = scaler.unscale(&pipeline, step.grads) {
            pipeline = optimizer.step(0.01, pipeline, grads).unwrap();
        }
    }
    losses
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
