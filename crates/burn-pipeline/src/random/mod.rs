//! Random numbers that depend on where in a training step they are drawn, and on nothing else.

mod context;
mod drawn;
mod dropout;
mod key;
mod noise;
mod numbers;
#[cfg(test)]
mod statistics;
mod tensor;
mod threefry;

pub use context::with_random_step;
pub use dropout::{CountedDropout as Dropout, DropoutConfig};
pub use key::layer_seed;
pub use noise::{CountedNoise as GaussianNoise, GaussianNoiseConfig};

pub(crate) use context::{Entered, PartDraws, enter_layer, enter_layer_of_step, enter_step};
pub(crate) use numbers::draw_on_device;
