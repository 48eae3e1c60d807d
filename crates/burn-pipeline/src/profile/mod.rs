//! Measuring what the layers of a model cost on a device, and what devices need to reach others.

mod base;
mod clock;
mod kept;
mod links;
mod loss;
mod neighbours;
mod parameters;
mod round;
mod signals;
mod sweeps;
mod window;

pub use base::{Profiler, profile};
pub use links::{MeasuredLink, measure_links, measured_cluster, profile_each};
