//! A field is a module, but neither a layer nor a sequence of layers.

use burn::module::Module;
use burn::tensor::Tensor;
use burn_pipeline::{Layer, Sequential};

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

#[derive(Module, Debug)]
struct Scale {
    factor: f32,
}

#[derive(Module, Sequential, Debug)]
struct Model {
    block: Block,
    scale: Scale,
}

fn main() {}
