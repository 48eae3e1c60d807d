//! A union does not know which of its fields it holds.

use burn_pipeline::Signal;

#[derive(Signal)]
union Either {
    left: u32,
    right: f32,
}

fn main() {}
