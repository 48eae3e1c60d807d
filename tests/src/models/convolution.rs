use burn::module::{Flag, Module, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Lift, Ranked, Sequential, lift, ranked};

use super::{Toy, mean_square};
use crate::data::{filled, floats};

/// A convolution, a batch norm and an activation: three layers.
pub type Normed = (Conv2d, Ranked<BatchNorm, 4>, Ranked<Relu, 4>);

/// Two normed convolutions, a pool and a head: eight layers, two of them with running statistics.
#[derive(Module, Sequential, Debug)]
pub struct Convolution {
    blocks: Vec<Normed>,
    pool: AdaptiveAvgPool2d,
    head: Lift<Linear, Tensor<4>, Tensor<2>>,
}

/// `[n, 2, 5, 5]` to `[n, 3]`, not initialised yet.
pub fn convolution(device: &Device) -> Convolution {
    let block = |inputs, outputs| {
        let conv = Conv2dConfig::new([inputs, outputs], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        (
            conv.init(device),
            ranked(BatchNormConfig::new(outputs).init(device)),
            ranked(Relu::new()),
        )
    };
    Convolution {
        blocks: vec![block(2, 4), block(4, 4)],
        pool: AdaptiveAvgPool2dConfig::new([2, 2]).init(),
        head: lift(LinearConfig::new(16, 3).init(device), |linear, input| {
            linear.forward(input.flatten::<2>(1, 3))
        }),
    }
}

/// Its batch norms train: each micro-batch is normalised by its own statistics.
impl Toy for Convolution {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        filled(convolution(device))
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<4>, Tensor<2>) {
        (
            floats([num_samples, 2, 5, 5], 1, device),
            floats([num_samples, 3], 2, device),
        )
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}

/// The [`Convolution`] with its batch norms in evaluation, while their scales still train.
pub struct FrozenNorm;

impl Toy for FrozenNorm {
    type Model = Convolution;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Convolution {
        filled(convolution(device)).map(&mut FlagsOff)
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<4>, Tensor<2>) {
        Convolution::batch(num_samples, device)
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}

struct FlagsOff;

impl ModuleMapper for FlagsOff {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(false)
    }
}
