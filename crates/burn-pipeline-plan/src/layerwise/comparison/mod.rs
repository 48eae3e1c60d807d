//! What is found, beside what is usual.

mod base;
mod baseline;
mod bytes;
mod picture;
mod table;

pub use base::{Comparison, StrategyCost};
pub use baseline::Baseline;
pub use picture::ComparisonSvg;
