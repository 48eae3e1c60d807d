//! Stacks of equal layers, so that even partitions are balanced ones, and one that is not.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Gelu, LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Distribution, Tensor};
use burn_pipeline::Layer;

/// A pre-norm Transformer block: `[batch, sequence, width]` to the same.
#[derive(Module, Debug)]
pub struct Block {
    norm_attention: LayerNorm,
    query_key_value: Linear,
    project: Linear,
    norm_feed_forward: LayerNorm,
    up: Linear,
    activation: Gelu,
    down: Linear,
    num_heads: usize,
}

impl Block {
    fn attention(&self, input: Tensor<3>) -> Tensor<3> {
        let [batch, sequence, width] = input.dims();
        let split = |part: Tensor<3>| {
            part.reshape([batch, sequence, self.num_heads, width / self.num_heads])
                .swap_dims(1, 2)
        };
        let all = self.query_key_value.forward(input);
        let [query, key, value] =
            [0, 1, 2].map(|part| split(all.clone().narrow(2, part * width, width)));

        let scale = ((width / self.num_heads) as f64).sqrt();
        let scores = softmax(query.matmul(key.swap_dims(2, 3)) / scale, 3);
        let mixed = scores.matmul(value).swap_dims(1, 2);
        self.project
            .forward(mixed.reshape([batch, sequence, width]))
    }
}

impl Layer for Block {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let attended = self.attention(self.norm_attention.forward(input.clone()));
        let hidden = input + attended;
        let up = self
            .up
            .forward(self.norm_feed_forward.forward(hidden.clone()));
        hidden + self.down.forward(self.activation.forward(up))
    }
}

/// `num_layers` Transformer blocks of `width`, four heads each.
pub fn transformer(num_layers: usize, width: usize, device: &Device) -> Vec<Block> {
    let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
    let block = || Block {
        norm_attention: LayerNormConfig::new(width).init(device),
        query_key_value: linear(width, 3 * width),
        project: linear(width, width),
        norm_feed_forward: LayerNormConfig::new(width).init(device),
        up: linear(width, 4 * width),
        activation: Gelu::new(),
        down: linear(4 * width, width),
        num_heads: 4,
    };
    (0..num_layers).map(|_| block()).collect()
}

/// A fully connected layer: `[batch, width]` to the same.
#[derive(Module, Debug)]
pub struct Dense {
    linear: Linear,
    activation: Relu,
}

impl Layer for Dense {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.activation.forward(self.linear.forward(input))
    }
}

/// `num_layers` fully connected layers of `width`.
pub fn mlp(num_layers: usize, width: usize, device: &Device) -> Vec<Dense> {
    let dense = || Dense {
        linear: LinearConfig::new(width, width).init(device),
        activation: Relu::new(),
    };
    (0..num_layers).map(|_| dense()).collect()
}

/// A 3x3 convolution with a residual: `[batch, channels, height, width]` to the same.
#[derive(Module, Debug)]
pub struct Convolution {
    convolution: Conv2d,
    activation: Relu,
}

impl Layer for Convolution {
    type Input = Tensor<4>;
    type Output = Tensor<4>;

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let convolved = self.convolution.forward(input.clone());
        input + self.activation.forward(convolved)
    }
}

/// `num_layers` residual convolutions of `num_channels`.
pub fn convolutions(num_layers: usize, num_channels: usize, device: &Device) -> Vec<Convolution> {
    let convolution = || Convolution {
        convolution: Conv2dConfig::new([num_channels, num_channels], [3, 3])
            .with_padding(PaddingConfig2d::Same)
            .init(device),
        activation: Relu::new(),
    };
    (0..num_layers).map(|_| convolution()).collect()
}

/// A 3x3 convolution that may change the channels and halve the size.
#[derive(Module, Debug)]
pub struct Uneven {
    convolution: Conv2d,
    activation: Relu,
}

impl Layer for Uneven {
    type Input = Tensor<4>;
    type Output = Tensor<4>;

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.activation.forward(self.convolution.forward(input))
    }
}

/// Twelve convolutions of `[batch, 3, 32, 32]` to `[batch, 64, 4, 4]`: few channels at full size
/// first, many later. The first three take about half of the time.
pub fn uneven_convolutions(device: &Device) -> Vec<Uneven> {
    let layers = [
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
        (64, 64, 1),
    ];
    let uneven = |(inputs, outputs, stride)| Uneven {
        convolution: Conv2dConfig::new([inputs, outputs], [3, 3])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init(device),
        activation: Relu::new(),
    };
    layers.into_iter().map(uneven).collect()
}

/// An input and a target of `shape`, without autodiff.
pub fn batch<const D: usize>(shape: [usize; D], device: &Device) -> (Tensor<D>, Tensor<D>) {
    let random = || Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
    (random(), random())
}
