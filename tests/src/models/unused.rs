use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Sequential};

use super::{Toy, mean_square};
use crate::data::{filled, floats};

/// Computes a second tensor that nothing downstream uses.
#[derive(Module, Debug)]
pub struct Fork {
    used: Linear,
    spare: Linear,
}

impl Layer for Fork {
    type Input = Tensor<2>;
    type Output = (Tensor<2>, Tensor<2>);

    fn forward(&self, input: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (self.used.forward(input.clone()), self.spare.forward(input))
    }
}

/// Goes on with both.
#[derive(Module, Debug)]
pub struct Along {
    used: Linear,
    spare: Linear,
}

impl Layer for Along {
    type Input = (Tensor<2>, Tensor<2>);
    type Output = (Tensor<2>, Tensor<2>);

    fn forward(&self, (used, spare): (Tensor<2>, Tensor<2>)) -> (Tensor<2>, Tensor<2>) {
        (self.used.forward(used).tanh(), self.spare.forward(spare))
    }
}

/// Drops the second.
#[derive(Module, Debug)]
pub struct Drop {
    used: Linear,
}

impl Layer for Drop {
    type Input = (Tensor<2>, Tensor<2>);
    type Output = Tensor<2>;

    fn forward(&self, (used, _spare): (Tensor<2>, Tensor<2>)) -> Tensor<2> {
        self.used.forward(used)
    }
}

/// Four layers, of which the first three compute what the last one drops.
#[derive(Module, Sequential, Debug)]
pub struct Unused {
    fork: Fork,
    along: Vec<Along>,
    drop: Drop,
}

impl Toy for Unused {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        let linear = || LinearConfig::new(4, 4).init(device);
        let along = || Along {
            used: linear(),
            spare: linear(),
        };
        filled(Self {
            fork: Fork {
                used: linear(),
                spare: linear(),
            },
            along: vec![along(), along()],
            drop: Drop { used: linear() },
        })
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        (
            floats([num_samples, 4], 1, device),
            floats([num_samples, 4], 2, device),
        )
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}
