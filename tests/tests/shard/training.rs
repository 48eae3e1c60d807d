//! A small network of the kind that AlexNet is, trained in parts.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Configuration, Dropout, DropoutConfig, Layer, Lift, Ranked, Sequential, lift, ranked, shard,
    with_random_step,
};
use burn_pipeline_tests::compare::{assert_close, assert_close_parameters, parameters, values};
use burn_pipeline_tests::data::{filled, floats};
use rstest::rstest;

use super::support::{places, split};

#[derive(Module, Sequential, Debug)]
struct Small {
    first: Conv2d,
    first_relu: Ranked<Relu, 4>,
    first_pool: MaxPool2d,
    second: Conv2d,
    second_relu: Ranked<Relu, 4>,
    second_pool: MaxPool2d,
    hidden: Lift<Linear, Tensor<4>, Tensor<2>>,
    hidden_relu: Ranked<Relu, 2>,
    dropout: Ranked<Dropout, 2>,
    head: Ranked<Linear, 2>,
}

const NUM_LAYERS: usize = 10;

fn small(device: &Device) -> Small {
    let conv = |channels, kernel: usize, stride: usize| {
        let around = kernel / 2;
        Conv2dConfig::new(channels, [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(around, around, around, around))
            .init(device)
    };
    let pool = || MaxPool2dConfig::new([3, 3]).with_strides([2, 2]).init();
    filled(Small {
        first: conv([3, 6], 5, 2),
        first_relu: ranked(Relu::new()),
        first_pool: pool(),
        second: conv([6, 8], 3, 1),
        second_relu: ranked(Relu::new()),
        second_pool: pool(),
        hidden: lift(
            LinearConfig::new(8 * 2 * 2, 12).init(device),
            |linear, image| linear.forward(image.flatten::<2>(1, 3)),
        ),
        hidden_relu: ranked(Relu::new()),
        dropout: ranked(DropoutConfig::new(0.3).init()),
        head: ranked(LinearConfig::new(12, 5).init(device)),
    })
}

/// The losses of some steps, and the model after them.
fn trained<M: Module + 'static>(
    mut model: M,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<2>,
    device: &Device,
) -> (Vec<f32>, M) {
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for step in 0..6 {
        let input = floats([7, 3, 24, 22], step, device);
        let target = floats([7, 5], 100 + step, device);
        let loss = with_random_step(1, step, 0..7, || {
            (forward(&model, input) - target).powi_scalar(2).mean()
        });
        losses.extend(values(loss.clone().into_data()));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.01, model, gradients);
    }
    (losses, model)
}

/// Krizhevsky (2014): convolutions by sample, fully connected layers by channel.
fn one_weird_trick() -> [Configuration; NUM_LAYERS] {
    let mut all = [Configuration::by_sample(4); NUM_LAYERS];
    all[6] = Configuration::by_channel(4);
    all[7] = Configuration::by_channel(4);
    all[9] = Configuration::by_channel(4);
    all
}

/// Every axis somewhere.
fn all_axes() -> [Configuration; NUM_LAYERS] {
    [
        [1, 1, 4, 1],
        [1, 1, 4, 1],
        [1, 1, 2, 2],
        [1, 2, 2, 1],
        [2, 2, 1, 1],
        [1, 4, 1, 1],
        [1, 3, 1, 1],
        [1, 3, 1, 1],
        [2, 1, 1, 1],
        [1, 1, 1, 1],
    ]
    .map(split)
}

#[rstest]
#[case::whole([Configuration::WHOLE; NUM_LAYERS])]
#[case::data_parallel([Configuration::by_sample(4); NUM_LAYERS])]
#[case::one_weird_trick(one_weird_trick())]
#[case::all_axes(all_axes())]
fn it_trains_as_the_whole_model_does(#[case] configurations: [Configuration; NUM_LAYERS]) {
    let device = Device::flex().autodiff();
    let forward = |model: &Small, input| model.forward_layers(input);
    let (expected, plain) = trained(small(&device), forward, &device);
    assert!(expected.last() < expected.first(), "{expected:?}");

    let sharded = shard(small(&device), &configurations, &places(4)).unwrap();
    let (losses, sharded) = trained(sharded, |model, input| model.forward(input), &device);
    println!("{losses:?} {:?}", sharded.bytes_moved());
    assert_close("losses", &losses, &expected, 1e-5);
    // Adam divides by the size of a gradient: rounding in small ones shows.
    let after = parameters(&sharded.into_inner());
    assert_close_parameters(&after, &parameters(&plain), 1e-3);
}
