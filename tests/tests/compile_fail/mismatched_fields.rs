//! The blocks take what no field before them sends.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use burn_pipeline::{Layer, Sequential};

#[derive(Module, Debug)]
struct Embed {
    scale: f32,
}

impl Layer for Embed {
    type Input = Tensor<2, Int>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2, Int>) -> Tensor<2> {
        input.float() * self.scale
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
    embed: Embed,
    blocks: Vec<Block>,
    head: Block,
}

fn main() {}
