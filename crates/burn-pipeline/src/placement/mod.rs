//! Which device each stage is on.

mod base;

pub use base::Placement;
