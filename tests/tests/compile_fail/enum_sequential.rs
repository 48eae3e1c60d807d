//! An enum has no order of layers.

use burn::module::Module;
use burn::nn::{Linear, Relu};
use burn_pipeline::{Ranked, Sequential};

#[derive(Module, Sequential, Debug)]
enum Model {
    Hidden(Ranked<Linear, 2>),
    Activation(Ranked<Relu, 2>),
}

fn main() {}
