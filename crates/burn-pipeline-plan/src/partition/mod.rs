//! The cuts in a sequence of layers: given, or the best there are.

mod base;
mod error;
mod objectives;
mod optimal;
#[cfg(test)]
mod oracle;
mod pins;
mod problem;
#[cfg(test)]
mod refusals;
mod route;
mod solve;
mod unsolvable;

pub use base::Partition;
pub use error::PartitionError;
pub use problem::{BestPartition, PartitionProblem, Sending, StageDevice};
pub use unsolvable::UnsolvableError;
