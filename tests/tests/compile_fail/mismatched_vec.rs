//! A layer in a `Vec` takes what the one before it does not send.

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

#[derive(Module, Sequential, Debug)]
struct Model {
    layers: Vec<Sum>,
}

fn main() {}
