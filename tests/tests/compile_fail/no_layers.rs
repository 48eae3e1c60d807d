//! A sequence in which every field is skipped.

use burn::module::Module;
use burn_pipeline::Sequential;

#[derive(Module, Sequential, Debug)]
struct Model {
    #[sequential(skip)]
    num_classes: usize,
    #[module(skip)]
    name: String,
}

fn main() {}
