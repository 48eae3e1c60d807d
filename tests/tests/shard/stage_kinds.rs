//! Stages over a group of devices whose layers keep statistics, draw random numbers, or tell each
//! other something.

use burn::module::Module;
use burn::nn::attention::{MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, Linear, LinearConfig, Relu,
};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{
    Configuration, Dropout, DropoutConfig, Lift, PipelineConfig, PipelineOptimizer, Placement,
    Ranked, Rematerialization, Sequential, Sharded, lift, ranked, shard,
};
use burn_pipeline_tests::compare::{
    Parameters, assert_close, assert_close_parameters, assert_same, assert_same_parameters,
    parameters, values,
};
use burn_pipeline_tests::data::{filled, floats, ints};
use burn_pipeline_tests::devices::two_devices;
use rstest::rstest;

use super::support::split;

#[derive(Module, Sequential, Debug)]
struct Features {
    // What a bias adds, the norm takes away: its gradient would be rounding alone.
    conv: Conv2d,
    norm: Ranked<BatchNorm, 4>,
    relu: Ranked<Relu, 4>,
    dropout: Ranked<Dropout, 4>,
}

#[derive(Module, Sequential, Debug)]
struct Classifier {
    hidden: Lift<Linear, Tensor<4>, Tensor<2>>,
    norm: Ranked<BatchNorm, 2>,
    dropout: Ranked<Dropout, 2>,
    head: Ranked<Linear, 2>,
}

type Degrees = [[[usize; 4]; 4]; 2];

const WHOLE: Degrees = [[[1; 4]; 4]; 2];
const NUM_STEPS: u64 = 3;

fn network(prob: f64, device: &Device) -> (Features, Classifier) {
    let features = Features {
        conv: Conv2dConfig::new([3, 6], [3, 3])
            .with_bias(false)
            .init(device),
        norm: ranked(BatchNormConfig::new(6).init(device)),
        relu: ranked(Relu::new()),
        dropout: ranked(DropoutConfig::new(prob).init()),
    };
    let flat: fn(&Linear, Tensor<4>) -> Tensor<2> =
        |linear, image| linear.forward(image.flatten(1, 3));
    let hidden = LinearConfig::new(6 * 4 * 3, 8).with_bias(false);
    let classifier = Classifier {
        hidden: lift(hidden.init(device), flat),
        norm: ranked(BatchNormConfig::new(8).init(device)),
        dropout: ranked(DropoutConfig::new(prob).init()),
        head: ranked(LinearConfig::new(8, 5).init(device)),
    };
    (filled(features), filled(classifier))
}

fn batch(step: u64, device: &Device) -> (Tensor<4>, Tensor<2>) {
    (
        floats([9, 3, 6, 5], step, device),
        floats([9, 5], 100 + step, device),
    )
}

fn loss<const D: usize>(output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    (output - target).powi_scalar(2).mean()
}

/// The losses of the whole model, and what it is after the steps.
fn whole<S, const D: usize>(
    mut model: S,
    batch: fn(u64, &Device) -> (S::Input, Tensor<D>),
) -> (Vec<f32>, Parameters)
where
    S: Sequential<Output = Tensor<D>>,
{
    let device = Device::flex().autodiff();
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for step in 0..NUM_STEPS {
        let (input, target) = batch(step, &device);
        let loss = loss(model.forward_layers(input), target);
        losses.extend(values(loss.clone().into_data()));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.01, model, gradients);
    }
    (losses, parameters(&model.valid()))
}

/// Both stages over a group of their own; the same of a pipeline.
fn in_parts<A, B, const D: usize>(
    (first, last): (A, B),
    [of_first, of_last]: [&[Configuration]; 2],
    config: &PipelineConfig,
    batch: fn(u64, &Device) -> (A::Input, Tensor<D>),
) -> (Vec<f32>, Parameters)
where
    A: Sequential + 'static,
    B: Sequential<Input = A::Output, Output = Tensor<D>> + 'static,
{
    let [one, other] = two_devices();
    let group = [one.clone(), other.clone(), one.clone(), other.clone()];
    let turned = [other.clone(), one.clone(), other, one];
    let model: (Sharded<A>, Sharded<B>) = (
        shard(first, of_first, &group).unwrap(),
        shard(last, of_last, &turned).unwrap(),
    );
    let placement = Placement::from_counts(&two_devices(), &[1, 1]);
    let mut pipeline = config.init(model, placement).unwrap();
    let mut optimizer = PipelineOptimizer::new(AdamConfig::new().init());
    let mut losses = Vec::new();
    for step in 0..NUM_STEPS {
        let (input, target) = batch(step, &Device::flex());
        let step = pipeline.train_step(input, target, loss::<D>).unwrap();
        losses.extend(values(step.loss.into_data()));
        pipeline = optimizer.step(0.01, pipeline, step.grads).unwrap();
    }
    let (first, last) = pipeline.into_inner();
    let model = (first.into_inner(), last.into_inner());
    (losses, parameters(&model.valid()))
}

fn config(num_micro_batches: usize, mode: Rematerialization) -> PipelineConfig {
    PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_rematerialization(mode)
}

/// The network with its layers split so.
fn network_in_parts(
    prob: f64,
    degrees: Degrees,
    config: &PipelineConfig,
) -> (Vec<f32>, Parameters) {
    let [first, last] = degrees.map(|layers| layers.map(split));
    let model = network(prob, &Device::flex().autodiff());
    in_parts(model, [&first, &last], config, batch)
}

const BY_SAMPLE: Degrees = [[[2, 1, 1, 1]; 4], [[3, 1, 1, 1]; 4]];
const MIXED: Degrees = [
    [[1, 2, 1, 1], [2, 2, 1, 1], [1, 1, 2, 2], [3, 1, 1, 1]],
    [[1, 4, 1, 1], [2, 2, 1, 1], [2, 1, 1, 1], [1, 2, 1, 1]],
];

/// Running statistics move once in a step, and dropped out is the same, however often a stage is run.
#[rstest]
fn running_statistics_and_dropout_are_those_without_rematerialization(
    #[values(1, 3)] num_micro_batches: usize,
    #[values(WHOLE, BY_SAMPLE, MIXED)] degrees: Degrees,
) {
    let run = |mode| network_in_parts(0.3, degrees, &config(num_micro_batches, mode));
    let (expected, after) = run(Rematerialization::Never);
    assert!(after.keys().any(|path| path.contains("running_")));
    for mode in [Rematerialization::ExceptLast, Rematerialization::Always] {
        let (losses, parameters) = run(mode);
        assert_same("losses", &losses, &expected);
        assert_same_parameters(&parameters, &after);
    }

    let whole = config(num_micro_batches, Rematerialization::Never);
    let (losses, parameters) = network_in_parts(0.3, WHOLE, &whole);
    assert_close("losses", &expected, &losses, 1e-5);
    assert_close_parameters(&after, &parameters, 1e-3);
}

#[rstest]
fn batch_norm_in_a_stage_is_that_of_the_plain_model(
    #[values(BY_SAMPLE, MIXED)] degrees: Degrees,
    #[values(Rematerialization::Never, Rematerialization::Always)] mode: Rematerialization,
) {
    let model = network(0.0, &Device::flex().autodiff());
    let (expected, after) = whole(model, batch);
    let (losses, parameters) = network_in_parts(0.0, degrees, &config(1, mode));
    assert_close("losses", &losses, &expected, 1e-5);
    // Adam divides by the size of a gradient: rounding in small ones shows.
    assert_close_parameters(&parameters, &after, 1e-3);
}

type Reader = (Embedding, MultiHeadAttention);

fn reader(device: &Device) -> (Reader, Ranked<Linear, 3>) {
    let attention = MultiHeadAttentionConfig::new(6, 3).with_dropout(0.0);
    let embedding = EmbeddingConfig::new(7, 6).init(device);
    (
        filled((embedding, attention.init(device))),
        filled(ranked(LinearConfig::new(6, 4).init(device))),
    )
}

fn sentences(step: u64, device: &Device) -> (Tensor<2, Int>, Tensor<3>) {
    (
        ints([5, 4], 7, step, device),
        floats([5, 4, 4], 100 + step, device),
    )
}

#[rstest]
fn attention_by_heads_in_a_stage_is_that_of_the_plain_model(
    #[values([1, 3, 1, 1], [2, 2, 1, 1], [1, 2, 1, 1])] degrees: [usize; 4],
    #[values(1, 2)] num_micro_batches: usize,
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    mode: Rematerialization,
) {
    let (expected, after) = whole(reader(&Device::flex().autodiff()), sentences);
    let (losses, parameters) = in_parts(
        reader(&Device::flex().autodiff()),
        [&[[1, 2, 2, 1], degrees].map(split), &[split([1, 4, 1, 1])]],
        &config(num_micro_batches, mode),
        sentences,
    );
    assert_close("losses", &losses, &expected, 1e-5);
    assert_close_parameters(&parameters, &after, 1e-3);
}
