//! Burn's guide as it is: on one device.

mod model;
mod step;
mod training;

pub use model::Model;
pub use training::train;
