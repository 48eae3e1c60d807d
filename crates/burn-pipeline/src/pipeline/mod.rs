//! The wrapper that a user meets.

mod base;
mod config;
mod display;
mod gathered;
mod init;
mod loss;
mod module;
mod owners;
mod place;
mod planned;
mod precision;
mod schedule;
mod step;
mod tied;

pub use base::PipelineModule;
pub use config::PipelineConfig;
#[cfg(feature = "train")]
pub(crate) use loss::weigh;
pub use precision::Precision;
pub use step::{Reduction, StepOutput, TrainStep};

pub(crate) use base::{Runtime, num_samples};
pub(crate) use init::Train;
pub(crate) use loss::MicroLoss;
pub(crate) use place::span;
pub(crate) use step::samples_of;
