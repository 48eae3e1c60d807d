//! What lies between the gradients of a step and the parameters of the next one.

mod base;
mod jobs;
mod owners;
mod pieces;
mod take;
mod update;

pub use base::PipelineOptimizer;
