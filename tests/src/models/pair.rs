use burn::module::Module;
use burn::nn::{Linear, LinearConfig, Tanh};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Sequential};

use super::{Toy, mean_square};
use crate::data::{filled, floats};

/// One tensor into two.
#[derive(Module, Debug)]
pub struct Split {
    left: Linear,
    right: Linear,
}

impl Layer for Split {
    type Input = Tensor<2>;
    type Output = (Tensor<2>, Tensor<2>);

    fn forward(&self, input: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (self.left.forward(input.clone()), self.right.forward(input))
    }
}

/// Each of the two meets the other.
#[derive(Module, Debug)]
pub struct Mix {
    linear: Linear,
    activation: Tanh,
}

impl Layer for Mix {
    type Input = (Tensor<2>, Tensor<2>);
    type Output = (Tensor<2>, Tensor<2>);

    fn forward(&self, (left, right): (Tensor<2>, Tensor<2>)) -> (Tensor<2>, Tensor<2>) {
        let mixed = self.activation.forward(self.linear.forward(left));
        (mixed.clone() * right, mixed)
    }
}

/// Two tensors into one.
#[derive(Module, Debug)]
pub struct Merge {
    linear: Linear,
}

impl Layer for Merge {
    type Input = (Tensor<2>, Tensor<2>);
    type Output = Tensor<2>;

    fn forward(&self, (left, right): (Tensor<2>, Tensor<2>)) -> Tensor<2> {
        self.linear.forward(left + right)
    }
}

/// Tuples of tensors between its four layers.
#[derive(Module, Sequential, Debug)]
pub struct Pair {
    split: Split,
    mix: [Mix; 2],
    merge: Merge,
}

impl Toy for Pair {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        let mix = || Mix {
            linear: linear(6, 6),
            activation: Tanh::new(),
        };
        filled(Self {
            split: Split {
                left: linear(4, 6),
                right: linear(4, 6),
            },
            mix: [mix(), mix()],
            merge: Merge {
                linear: linear(6, 2),
            },
        })
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        (
            floats([num_samples, 4], 1, device),
            floats([num_samples, 2], 2, device),
        )
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}
