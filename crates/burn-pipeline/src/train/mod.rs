//! Training through the `Learner` of burn-train.

mod base;
mod epoch;
mod failure;
mod step;
mod strategy;
mod target;

pub use base::PipelineStep;
pub use strategy::PipelineStrategy;
