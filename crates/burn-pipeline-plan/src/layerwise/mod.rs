//! Layer-wise parallelism: how each layer is split over the devices.

mod configuration;
mod reads;
mod region;

pub use configuration::Configuration;
pub use reads::{AxisReads, Reads};
pub use region::{Axis, Region, Shape};
