use burn::module::{Module, Param, ParamId};
use burn::nn::{
    Embedding, EmbeddingConfig, Linear, LinearConfig, PositionalEncoding, PositionalEncodingConfig,
    RotaryEncoding, RotaryEncodingConfig,
};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{Layer, Ranked, Sequential, ranked};

use super::{Toy, mean_square};
use crate::data::{filled, floats, ints};

/// Puts the features in an order that it holds as an int parameter.
#[derive(Module, Debug)]
pub struct Permute {
    order: Param<Tensor<1, Int>>,
}

impl Layer for Permute {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        input.select(2, self.order.val())
    }
}

/// Burn's own modules as layers: six, three of which hold tensors that are no float parameters.
#[derive(Module, Sequential, Debug)]
pub struct Encoded {
    embedding: Embedding,
    positions: PositionalEncoding,
    linear: Ranked<Linear, 3>,
    permute: Permute,
    rotary: Ranked<RotaryEncoding, 3>,
    head: Ranked<Linear, 3>,
}

impl Toy for Encoded {
    type Model = Self;
    type Target = Tensor<3>;

    fn model(device: &Device) -> Self {
        let order = Tensor::from_ints([2, 0, 3, 1], device);
        filled(Self {
            embedding: EmbeddingConfig::new(7, 4).init(device),
            positions: PositionalEncodingConfig::new(4).init(device),
            linear: ranked(LinearConfig::new(4, 4).init(device)),
            permute: Permute {
                order: Param::initialized(ParamId::new(), order),
            },
            rotary: ranked(RotaryEncodingConfig::new(8, 4).init(device)),
            head: ranked(LinearConfig::new(4, 2).init(device)),
        })
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2, Int>, Tensor<3>) {
        (
            ints([num_samples, 5], 7, 1, device),
            floats([num_samples, 5, 2], 2, device),
        )
    }

    fn loss(output: Tensor<3>, target: Tensor<3>) -> Tensor<1> {
        mean_square(output, target)
    }
}
