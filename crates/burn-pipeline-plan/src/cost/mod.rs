//! What instructions cost, in seconds and bytes.

mod base;
mod error;
mod measured;
mod memory;

pub use base::{Cost, Costs};
pub use error::CostError;
pub use memory::Memory;

pub(crate) use memory::peak_bytes;
