use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Sequential, Skip};

use super::{Toy, mean_square};
use crate::data::{filled, floats};

/// Three layers there and three back, each pair with one weight, a skip between the two and batch
/// norms of their own, around a middle: seven layers.
#[derive(Module, Sequential, Debug)]
pub struct Mirror {
    there: Vec<There>,
    middle: Middle,
    back: Vec<Back>,
}

/// What goes on, and what waits for the way back.
pub type Reflected = (Tensor<2>, Vec<Skip<Tensor<2>>>);

#[derive(Module, Debug)]
struct There {
    weight: Param<Tensor<2>>,
    norm: BatchNorm,
}

#[derive(Module, Debug)]
struct Middle {
    linear: Linear,
}

#[derive(Module, Debug)]
struct Back {
    weight: Param<Tensor<2>>,
    norm: BatchNorm,
}

impl Layer for There {
    type Input = Reflected;
    type Output = Reflected;

    fn forward(&self, (input, mut skips): Reflected) -> Reflected {
        let hidden = self.norm.forward(input.matmul(self.weight.val())).tanh();
        skips.push(Skip::new(hidden.clone()));
        (hidden, skips)
    }
}

impl Layer for Middle {
    type Input = Reflected;
    type Output = Reflected;

    fn forward(&self, (input, skips): Reflected) -> Reflected {
        (self.linear.forward(input), skips)
    }
}

impl Layer for Back {
    type Input = Reflected;
    type Output = Reflected;

    fn forward(&self, (input, mut skips): Reflected) -> Reflected {
        let skip = skips.pop().expect("as many there as back").get();
        let hidden = (input * skip).matmul(self.weight.val().transpose());
        (self.norm.forward(hidden), skips)
    }
}

impl Toy for Mirror {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        let weights: Vec<_> = (0..3)
            .map(|_| LinearConfig::new(4, 4).init(device).weight)
            .collect();
        let norm = || BatchNormConfig::new(4).init(device);
        let there = |weight: &Param<Tensor<2>>| There {
            weight: weight.clone(),
            norm: norm(),
        };
        let back = |weight: &Param<Tensor<2>>| Back {
            weight: weight.clone(),
            norm: norm(),
        };
        // Holders that differ start from the first.
        let model = filled(Self {
            there: weights.iter().map(there).collect(),
            middle: Middle {
                linear: LinearConfig::new(4, 4).init(device),
            },
            back: weights.iter().rev().map(back).collect(),
        });
        model.tie()
    }

    fn batch(num_samples: usize, device: &Device) -> (Reflected, Tensor<2>) {
        (
            (floats([num_samples, 4], 1, device), Vec::new()),
            floats([num_samples, 4], 2, device),
        )
    }

    fn loss((output, _): Reflected, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}

impl Mirror {
    fn tie(mut self) -> Self {
        for (back, there) in self.back.iter_mut().zip(self.there.iter().rev()) {
            back.weight = there.weight.clone();
        }
        self
    }
}
