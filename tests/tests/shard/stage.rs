//! A model in parts as a stage over a group of devices.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Configuration, Lift, PipelineConfig, PipelineOptimizer, Placement, Ranked, Rematerialization,
    ScheduleKind, Sequential, Sharded, lift, ranked, shard,
};
use burn_pipeline_tests::compare::{assert_close, assert_close_parameters, parameters, values};
use burn_pipeline_tests::data::{filled, floats};
use burn_pipeline_tests::devices::two_devices;
use rstest::rstest;

use super::support::split;

#[derive(Module, Sequential, Debug)]
struct Features {
    conv: Conv2d,
    relu: Ranked<Relu, 4>,
    pool: MaxPool2d,
}

#[derive(Module, Sequential, Debug)]
struct Classifier {
    hidden: Lift<Linear, Tensor<4>, Tensor<2>>,
    relu: Ranked<Relu, 2>,
    head: Ranked<Linear, 2>,
}

const NUM_STEPS: u64 = 3;

fn features(device: &Device) -> Features {
    filled(Features {
        conv: Conv2dConfig::new([3, 6], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init(device),
        relu: ranked(Relu::new()),
        pool: MaxPool2dConfig::new([3, 3]).with_strides([2, 2]).init(),
    })
}

fn classifier(device: &Device) -> Classifier {
    filled(Classifier {
        hidden: lift(
            LinearConfig::new(6 * 4 * 3, 8).init(device),
            |linear, image| linear.forward(image.flatten::<2>(1, 3)),
        ),
        relu: ranked(Relu::new()),
        head: ranked(LinearConfig::new(8, 5).init(device)),
    })
}

fn batch(step: u64, device: &Device) -> (Tensor<4>, Tensor<2>) {
    (
        floats([7, 3, 9, 7], step, device),
        floats([7, 5], 100 + step, device),
    )
}

fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    (output - target).powi_scalar(2).mean()
}

/// The losses of the whole model, and the model after the steps.
fn whole() -> (Vec<f32>, (Features, Classifier)) {
    let device = Device::flex().autodiff();
    let mut model = (features(&device), classifier(&device));
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for step in 0..NUM_STEPS {
        let (input, target) = batch(step, &device);
        let loss = loss(model.forward_layers(input), target);
        losses.extend(values(loss.clone().into_data()));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.01, model, gradients);
    }
    (losses, model)
}

/// Both stages are in parts, each over both devices, and start on one of them each.
fn in_parts(configurations: &[[Configuration; 3]; 2]) -> (Sharded<Features>, Sharded<Classifier>) {
    let [first, second] = two_devices();
    let device = Device::flex().autodiff();
    let group = [first.clone(), second.clone(), first.clone(), second.clone()];
    let other = [second.clone(), first.clone(), second, first];
    (
        shard(features(&device), &configurations[0], &group).unwrap(),
        shard(classifier(&device), &configurations[1], &other).unwrap(),
    )
}

#[rstest]
fn a_stage_over_a_group_trains_as_the_whole_model_does(
    #[values(1, 3)] num_micro_batches: usize,
    #[values(ScheduleKind::GPipe, ScheduleKind::OneForwardOneBackward)] schedule: ScheduleKind,
    #[values(Rematerialization::Never, Rematerialization::Always)] mode: Rematerialization,
    #[values(
        [[[2, 1, 1, 1]; 3], [[2, 1, 1, 1], [2, 1, 1, 1], [2, 1, 1, 1]]],
        [[[1, 3, 1, 1], [1, 3, 1, 1], [2, 1, 2, 1]], [[1, 4, 1, 1], [1, 4, 1, 1], [1, 2, 1, 1]]],
        [[[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 3, 1]], [[2, 2, 1, 1], [4, 1, 1, 1], [1, 1, 1, 1]]]
    )]
    degrees: [[[usize; 4]; 3]; 2],
) {
    let (expected_losses, expected) = whole();
    let model = in_parts(&degrees.map(|layers| layers.map(split)));
    let mut pipeline = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(schedule)
        .with_rematerialization(mode)
        .init(model, Placement::from_counts(&two_devices(), &[1, 1]))
        .unwrap();
    let mut optimizer = PipelineOptimizer::new(AdamConfig::new().init());
    let mut losses = Vec::new();
    for step in 0..NUM_STEPS {
        let (input, target) = batch(step, &Device::flex());
        let step = pipeline.train_step(input, target, loss).unwrap();
        losses.extend(values(step.loss.into_data()));
        pipeline = optimizer.step(0.01, pipeline, step.grads).unwrap();
    }
    assert_close("losses", &losses, &expected_losses, 1e-5);
    let (first, second) = pipeline.into_inner();
    let found = (first.into_inner(), second.into_inner());
    assert_close_parameters(&parameters(&found), &parameters(&expected), 1e-4);
}
