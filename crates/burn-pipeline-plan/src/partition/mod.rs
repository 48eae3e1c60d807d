//! The cuts in a sequence of layers.

mod base;
mod error;

pub use base::Partition;
pub use error::PartitionError;
