//! Batch norm in training: each micro-batch is normalised by its own statistics, and the running
//! ones move on once per mini-batch, by those of all its samples.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, FloatDType, Tensor};
use burn_pipeline::{
    AnySignal, PipelineConfig, PipelineModule, Placement, Ranked, Rematerialization, ScheduleKind,
    Sequential, lift, ranked,
};
use burn_pipeline_tests::compare::{
    Parameters, Step, assert_close, assert_same, assert_same_parameters, parameters,
};
use burn_pipeline_tests::data::{filled, floats};
use burn_pipeline_tests::models::{Convolution, Toy};
use burn_pipeline_tests::pipelined::{partitions_for, pipeline};
use burn_pipeline_tests::reference::ByMicroBatches;
use burn_pipeline_tests::schedules::last_first;
use rstest::rstest;

const NUM_STEPS: usize = 3;
const LEARNING_RATE: f64 = 0.1;

/// Burn keeps running statistics per thread. An engine that runs each step on new threads, or lets
/// a recomputation update them again, ends at other ones without an error.
#[rstest]
fn running_statistics_are_the_same_for_every_partition_and_rematerialization(
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
) {
    let kind: ScheduleKind = schedule.parse().unwrap();
    let base = PipelineConfig::new().with_num_micro_batches(num_micro_batches);
    let one_stage = match last_first(&kind) {
        true => base.clone(),
        false => base.clone().with_schedule("1f1b".parse().unwrap()),
    }
    .with_rematerialization(Rematerialization::Never);
    let expected = pipelined_run(&one_stage, &[8], num_samples);

    let config = base
        .with_schedule(kind.clone())
        .with_rematerialization(rematerialization);
    for counts in partitions_for(&kind, 8) {
        let run = pipelined_run(&config, &counts, num_samples);
        for (step, (one, other)) in run.iter().zip(&expected).enumerate() {
            println!("counts {counts:?}, step {step}");
            one.0.assert_same(&other.0);
            assert_same_parameters(&one.1, &other.1);
        }
    }
}

/// The sums over micro-batches are in their order, in whichever order they ran.
#[test]
fn the_first_statistics_are_the_same_for_every_schedule() {
    let statistics = |schedule: &str, counts: &[usize]| {
        let config = PipelineConfig::new().with_schedule(schedule.parse().unwrap());
        let (_, parameters) = pipelined_run(&config, counts, 7).remove(0);
        running(parameters)
    };
    let expected = statistics("gpipe", &[8]);
    for (schedule, counts) in [
        ("1f1b", vec![3, 5]),
        ("interleaved:2", vec![2, 2, 2, 2]),
        ("breadth-first:2", vec![1, 1, 3, 3]),
    ] {
        assert_same_parameters(&statistics(schedule, &counts), &expected);
    }
}

#[rstest]
fn a_mini_batch_that_is_not_split_moves_them_on_as_the_plain_model(
    #[values(&[8], &[4, 4], &[1, 6, 1])] counts: &[usize],
) {
    let config = PipelineConfig::new().with_num_micro_batches(1);
    for (one, other) in pipelined_run(&config, counts, 6).iter().zip(plain_run(6)) {
        one.0.assert_same(&other.0);
        assert_same_parameters(&one.1, &other.1);
    }
}

/// What reaches the first batch norm does not depend on how the mini-batch is split.
#[rstest]
fn the_first_norm_moves_on_as_in_the_unsplit_mini_batch(
    #[values(1, 2, 3, 4, 7)] num_micro_batches: usize,
) {
    let config = PipelineConfig::new().with_num_micro_batches(num_micro_batches);
    let (_, split) = pipelined_run(&config, &[3, 5], 7).remove(0);
    let (_, whole) = plain_run(7).remove(0);
    for name in ["blocks.0.1.running_mean", "blocks.0.1.running_var"] {
        assert_close(name, &split[name], &whole[name], 1e-6);
    }
}

/// What reaches the second one does, so it is compared with what it saw, put together.
#[rstest]
fn every_norm_moves_on_by_all_that_it_saw(#[values((4, 8), (3, 7))] sizes: (usize, usize)) {
    let (num_micro_batches, num_samples) = sizes;
    let device = Device::flex().autodiff();
    let model = Convolution::model(&device);
    let (input, _) = Convolution::batch(num_samples, &device);
    let seen: Vec<Tensor<4>> = (0..num_micro_batches)
        .map(|m| num_samples * m / num_micro_batches..num_samples * (m + 1) / num_micro_batches)
        .map(|part| {
            let part = input.clone().narrow(0, part.start, part.len());
            (0..4)
                .fold(AnySignal::new(part), |signal, layer| {
                    model.forward_layer(layer, signal)
                })
                .into_signal()
        })
        .collect();
    let seen = Tensor::cat(seen, 0).swap_dims(0, 1).flatten::<2>(1, 3);
    let (variance, mean) = seen.var_mean_bias(1);
    let start = parameters(&Convolution::model(&Device::flex()));

    let config = PipelineConfig::new().with_num_micro_batches(num_micro_batches);
    let (_, after) = pipelined_run(&config, &[4, 4], num_samples).remove(0);
    for (name, of_batch) in [("running_mean", mean), ("running_var", variance)] {
        let name = format!("blocks.1.1.{name}");
        let of_batch = of_batch.into_data().try_into_vec::<f32>().unwrap();
        let expected: Vec<f32> = start[&name]
            .iter()
            .zip(of_batch)
            .map(|(before, now)| 0.9 * before + 0.1 * now)
            .collect();
        assert_close(&name, &after[&name], &expected, 1e-5);
    }
}

/// How fast they move is no field that a visitor sees: it is read off what a forward leaves.
#[rstest]
fn statistics_move_as_fast_as_they_are_told(#[values(0.0, 0.1, 0.37, 1.0)] momentum: f64) {
    let device = Device::flex();
    let model = |device: &Device| -> Vec<Ranked<BatchNorm, 2>> {
        let config = BatchNormConfig::new(3).with_momentum(momentum);
        vec![ranked(filled(config.init(device)))]
    };
    let batch = |device: &Device| floats([6, 3], 4, device) * 3.0 + 10.0;

    let plain = model(&device.clone().autodiff());
    plain[0].module().forward(batch(&device.clone().autodiff()));
    let expected = running(parameters(&plain.valid()));

    let mut pipeline = PipelineConfig::new()
        .with_num_micro_batches(3)
        .init(
            model(&device),
            Placement::even(std::slice::from_ref(&device)),
        )
        .unwrap();
    let step = |pipeline: &PipelineModule<Vec<Ranked<BatchNorm, 2>>>| {
        let step = pipeline.train_step(batch(&device), (), |output, ()| output.abs().sum());
        step.map(|_| ()).unwrap();
    };
    step(&pipeline);
    let found = running(parameters(&pipeline));
    for (name, values) in &expected {
        assert_close(name, &found[name], values, 1e-6);
    }

    pipeline = pipeline.fork(&device);
    step(&pipeline);
    if momentum == 0.0 {
        let still = running(parameters(&pipeline));
        for (name, values) in &found {
            assert_same(name, &still[name], values);
        }
    }
}

/// A plain model has a loss that is not a number then, and no error.
#[rstest]
fn a_first_mini_batch_that_is_not_finite_fails_no_step(
    #[values(f32::NAN, f32::INFINITY)] wrong: f32,
) {
    let device = Device::flex();
    let norm: Ranked<BatchNorm, 2> = ranked(filled(BatchNormConfig::new(3).init(&device)));
    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(3)
        .init(norm, Placement::even(std::slice::from_ref(&device)))
        .unwrap();
    let before = running(parameters(&pipeline));
    let loss = |input: Tensor<2>| {
        let step = pipeline.train_step(input, (), |output, ()| output.abs().sum());
        step.unwrap().loss.into_scalar::<f32>()
    };
    assert!(loss(Tensor::full([6, 3], wrong, &device)).is_nan());
    assert_same_parameters(&running(parameters(&pipeline)), &before);

    assert!(loss(floats([6, 3], 4, &device)).is_finite());
    let after = running(parameters(&pipeline));
    assert_ne!(after, before);
    assert!(after.values().flatten().all(|value| value.is_finite()));
}

/// What is left of a huge number in half precision is no number at all.
#[rstest]
fn statistics_in_half_precision_move_on(
    #[values((FloatDType::F16, 2e-3), (FloatDType::BF16, 2e-2))] (half, tolerance): (
        FloatDType,
        f32,
    ),
) {
    let device = Device::flex();
    let model = || -> Vec<Ranked<BatchNorm, 2>> {
        let norm = filled(BatchNormConfig::new(3).init(&device));
        vec![ranked(norm.map(&mut Cast(half)))]
    };
    let step = |num_micro_batches| {
        let pipeline = PipelineConfig::new()
            .with_num_micro_batches(num_micro_batches)
            .init(model(), Placement::even(std::slice::from_ref(&device)))
            .unwrap();
        let input = (floats([6, 3], 4, &device) * 3.0 + 10.0).cast(half);
        let step = pipeline.train_step(input, (), |output, ()| output.abs().sum());
        step.map(|_| running(parameters(&pipeline))).unwrap()
    };
    let (split, whole) = (step(3), step(1));
    for (name, values) in &whole {
        assert_close(name, &split[name], values, tolerance);
    }
}

struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.cast(self.0))
    }
}

/// How fast it moves is asked again, where the first micro-batch leaves a norm out.
#[test]
fn a_norm_that_the_first_micro_batch_leaves_out_moves_on_by_the_others() {
    let device = Device::flex();
    let norm: BatchNorm = filled(BatchNormConfig::new(2).init(&device));
    let model = lift(norm, |norm: &BatchNorm, input: Tensor<2>| {
        match input.clone().sum().into_scalar::<f32>() > 0.0 {
            true => norm.forward(input),
            false => input * norm.gamma.val().unsqueeze(),
        }
    });
    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(2)
        .init(model, Placement::even(std::slice::from_ref(&device)))
        .unwrap();
    let before = running(parameters(&pipeline));
    let input = Tensor::<2>::from_data(
        [[-1.0, -2.0], [-3.0, -1.0], [1.0, 5.0], [3.0, 7.0]],
        &device,
    );
    let step = pipeline.train_step(input, (), |output, ()| output.abs().mean());
    step.unwrap();
    for (name, values) in running(parameters(&pipeline)) {
        assert_ne!(values, before[&name], "{name}");
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

/// The numbers of each step, and the parameters and statistics after it.
type Run = Vec<(Step, Parameters)>;

fn running(mut parameters: Parameters) -> Parameters {
    parameters.retain(|path, _| path.contains("running_"));
    assert!(!parameters.is_empty());
    parameters
}

/// The plain model on the unsplit mini-batch.
fn plain_run(num_samples: usize) -> Run {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let mut optimizer = SgdConfig::new().init();
    let mut model = Convolution::model(&tracked);
    (0..NUM_STEPS)
        .map(|step| {
            let whole = ByMicroBatches {
                num_micro_batches: 1,
                last_first: false,
                seed: 0,
                step: step as u64,
            };
            let batch = Convolution::batch(num_samples, &tracked);
            let (loss, gradients): (_, GradientsParams) =
                whole.gradients::<Convolution>(&model, batch, &device);
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
