#![doc = include_str!("../README.md")]

mod args;
mod auto;
mod batches;
mod comparison;
mod error;
mod model;
mod plan_args;
mod prediction;
mod progress;
mod recent;
mod run;
mod sample;
mod saved;
mod schedule_file;
mod text;
mod trace;
mod training;
mod validation;

pub use args::Args;
pub use auto::planned;
pub use batches::{Batch, training_batches, validation_batches};
pub use comparison::Comparison;
pub use error::Error;
pub use model::{Attention, Block, Embed, Gpt, GptConfig, Head};
pub use plan_args::PlanArgs;
pub use prediction::Prediction;
pub use recent::Recent;
pub use run::run;
pub use sample::sample;
pub use saved::{resume, save};
pub use text::Text;
pub use trace::TraceFiles;
pub use training::{Training, cross_entropy};
pub use validation::validation_loss;
