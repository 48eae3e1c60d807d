use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Dropout, DropoutConfig, GaussianNoise, GaussianNoiseConfig, Layer, Ranked, Sequential, ranked,
};

use super::{Toy, mean_square};
use crate::data::{filled, floats};

const LENGTH: usize = 3;
const WIDTH: usize = 6;
const NUM_HEADS: usize = 2;

/// Attention whose weights, `[n * heads, 3, 3]`, and whose outputs are dropped out.
#[derive(Module, Debug)]
pub struct Attention {
    norm: LayerNorm,
    query: Linear,
    value: Linear,
    dropout: Dropout,
    dropout_weights: Dropout,
}

impl Layer for Attention {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [num_samples, length, width] = input.dims();
        let heads = |hidden: Tensor<3>| -> Tensor<3> {
            hidden
                .reshape([num_samples, length, NUM_HEADS, width / NUM_HEADS])
                .swap_dims(1, 2)
                .flatten(0, 1)
        };
        let normed = self.norm.forward(input.clone());
        let query = heads(self.query.forward(normed.clone()));
        let weights = softmax(query.clone().matmul(query.transpose()), 2);
        let weights = self.dropout_weights.forward(weights);
        let mixed = weights.matmul(heads(self.value.forward(normed)));
        let mixed = mixed
            .reshape([num_samples, NUM_HEADS, length, width / NUM_HEADS])
            .swap_dims(1, 2)
            .reshape([num_samples, length, width]);
        input + self.dropout.forward(mixed)
    }
}

/// Noise, three blocks of attention, a dropout of its own, and a head: six layers, all of whose
/// random numbers are counted. The loss drops out as well.
#[derive(Module, Sequential, Debug)]
pub struct Counted {
    noise: Ranked<GaussianNoise, 3>,
    blocks: Vec<Attention>,
    dropout: Ranked<Dropout, 3>,
    head: Ranked<Linear, 3>,
}

impl Toy for Counted {
    type Model = Self;
    type Target = Tensor<3>;

    fn model(device: &Device) -> Self {
        let linear = || LinearConfig::new(WIDTH, WIDTH).init(device);
        let dropout = |prob| DropoutConfig::new(prob).init();
        let block = || Attention {
            norm: LayerNormConfig::new(WIDTH).init(device),
            query: linear(),
            value: linear(),
            dropout: dropout(0.2),
            dropout_weights: dropout(0.1),
        };
        filled(Self {
            noise: ranked(GaussianNoiseConfig::new(0.3).init()),
            blocks: (0..3).map(|_| block()).collect(),
            dropout: ranked(dropout(0.5)),
            head: ranked(linear()),
        })
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<3>, Tensor<3>) {
        let shape = [num_samples, LENGTH, WIDTH];
        (floats(shape, 1, device), floats(shape, 2, device))
    }

    fn loss(output: Tensor<3>, target: Tensor<3>) -> Tensor<1> {
        mean_square(DropoutConfig::new(0.1).init().forward(output), target)
    }
}
