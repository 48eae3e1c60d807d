//! The second layer of a tuple takes what the first does not send.

use burn::module::Module;
use burn::tensor::Tensor;
use burn_pipeline::{Layer, Sequential};

#[derive(Module, Debug)]
struct Sum {
    axis: usize,
}

impl Layer for Sum {
    type Input = Tensor<3>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<3>) -> Tensor<2> {
        input.sum_dim(self.axis).squeeze_dim(self.axis)
    }
}

#[derive(Module, Debug)]
struct Block {
    factor: f32,
}

impl Layer for Block {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        input * self.factor
    }
}

#[derive(Module, Sequential, Debug)]
struct Model {
    layers: (Sum, Block),
}

fn main() {}
