use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_pipeline::{Layer, Sequential, Signal};

use super::{Toy, mean_square};
use crate::data::{filled, floats, ints};

/// Tensors of every kind, by name.
#[derive(Signal, Clone, Debug)]
pub struct Parcel {
    hidden: Tensor<3>,
    tokens: Tensor<2, Int>,
    mask: Tensor<2, Bool>,
}

/// Tokens into a parcel.
#[derive(Module, Debug)]
pub struct Pack {
    embedding: Embedding,
}

impl Layer for Pack {
    type Input = Tensor<2, Int>;
    type Output = Parcel;

    fn forward(&self, tokens: Tensor<2, Int>) -> Parcel {
        Parcel {
            hidden: self.embedding.forward(tokens.clone()),
            mask: tokens.clone().equal_elem(0),
            tokens,
        }
    }
}

/// Embeds the tokens again, away from the mask.
#[derive(Module, Debug)]
pub struct Carry {
    embedding: Embedding,
    linear: Linear,
}

impl Layer for Carry {
    type Input = Parcel;
    type Output = Parcel;

    fn forward(&self, parcel: Parcel) -> Parcel {
        let again = self.embedding.forward(parcel.tokens.clone());
        let hidden = self.linear.forward(parcel.hidden).tanh() + again;
        let mask = parcel.mask.clone().unsqueeze_dim::<3>(2);
        Parcel {
            hidden: hidden.mask_fill(mask.expand([-1, -1, 4]), 0.0),
            ..parcel
        }
    }
}

/// The mean over tokens.
#[derive(Module, Debug)]
pub struct Unpack {
    linear: Linear,
}

impl Layer for Unpack {
    type Input = Parcel;
    type Output = Tensor<2>;

    fn forward(&self, parcel: Parcel) -> Tensor<2> {
        self.linear
            .forward(parcel.hidden)
            .mean_dim(1)
            .squeeze_dim(1)
    }
}

/// Structs of tensors between its five layers.
#[derive(Module, Sequential, Debug)]
pub struct Parcels {
    pack: Pack,
    carry: Vec<Carry>,
    unpack: Unpack,
}

impl Toy for Parcels {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        let embedding = || EmbeddingConfig::new(7, 4).init(device);
        let carry = || Carry {
            embedding: embedding(),
            linear: LinearConfig::new(4, 4).init(device),
        };
        filled(Self {
            pack: Pack {
                embedding: embedding(),
            },
            carry: vec![carry(), carry(), carry()],
            unpack: Unpack {
                linear: LinearConfig::new(4, 2).init(device),
            },
        })
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2, Int>, Tensor<2>) {
        (
            ints([num_samples, 6], 7, 1, device),
            floats([num_samples, 2], 2, device),
        )
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}
