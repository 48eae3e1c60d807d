//! Burn's guide across several devices.

mod model;
mod step;
mod training;

pub use model::Model;
pub use training::train;
