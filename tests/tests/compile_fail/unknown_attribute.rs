//! A word that the attribute does not know.

use burn::module::Module;
use burn::nn::{Linear, Relu};
use burn_pipeline::{Ranked, Sequential};

#[derive(Module, Sequential, Debug)]
struct Model {
    linear: Ranked<Linear, 2>,
    #[sequential(ignore)]
    activation: Ranked<Relu, 2>,
}

fn main() {}
