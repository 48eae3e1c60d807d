//! A network whose layers differ much.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{Layer, Sequential};

/// The number of kinds of pictures.
pub const NUM_KINDS: usize = 4;

/// Channels in, channels out and stride of each convolution: few channels at full size first, many
/// at an eighth of it last.
const CONVOLUTIONS: [(usize, usize, usize); 11] = [
    (3, 24, 1),
    (24, 24, 1),
    (24, 24, 1),
    (24, 32, 2),
    (32, 32, 1),
    (32, 48, 2),
    (48, 48, 1),
    (48, 48, 1),
    (48, 64, 2),
    (64, 64, 1),
    (64, 64, 1),
];

/// Eleven convolutions and a head: 12 layers, of which the first three take about half of the time.
#[derive(Module, Sequential, Debug)]
pub struct Network {
    convolutions: Vec<Convolution>,
    head: Head,
}

/// A 3x3 convolution: `[batch, channels, height, width]` to others of them.
#[derive(Module, Debug)]
pub struct Convolution {
    convolution: Conv2d,
    activation: Relu,
}

/// Which kind of picture it is: `[batch, channels, height, width]` to `[batch, kinds]`.
#[derive(Module, Debug)]
pub struct Head {
    linear: Linear,
}

impl Network {
    /// A new network for square pictures of `size`.
    pub fn new(size: usize, device: &Device) -> Self {
        let convolution = |(inputs, outputs, stride)| Convolution {
            convolution: Conv2dConfig::new([inputs, outputs], [3, 3])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device),
            activation: Relu::new(),
        };
        let (_, num_channels, _) = CONVOLUTIONS[CONVOLUTIONS.len() - 1];
        let num_features = num_channels * (size / 8) * (size / 8);
        Self {
            convolutions: CONVOLUTIONS.into_iter().map(convolution).collect(),
            head: Head {
                linear: LinearConfig::new(num_features, NUM_KINDS).init(device),
            },
        }
    }
}

impl Layer for Convolution {
    type Input = Tensor<4>;
    type Output = Tensor<4>;

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.activation.forward(self.convolution.forward(input))
    }
}

impl Layer for Head {
    type Input = Tensor<4>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<4>) -> Tensor<2> {
        self.linear.forward(input.flatten(1, 3))
    }
}

/// The mean loss of telling the kinds of pictures, in nats.
pub fn cross_entropy(logits: Tensor<2>, kinds: Tensor<1, Int>) -> Tensor<1> {
    CrossEntropyLossConfig::new()
        .init(&logits.device())
        .forward(logits, kinds)
}
