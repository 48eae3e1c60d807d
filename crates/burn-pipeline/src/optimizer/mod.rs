//! What lies between the gradients of a step and the parameters of the next one.

mod base;
mod clip;
mod ema;
mod gradients;
mod jobs;
mod owners;
mod pieces;
mod recorded;
mod scale;
mod take;
mod update;

pub use base::PipelineOptimizer;
pub use clip::{clip_gradients_by_norm, clip_gradients_by_value};
pub use ema::Ema;
pub use scale::{LossScaler, LossScalerConfig};

pub(crate) use recorded::{Recorded, write};
