#![doc = include_str!("../README.md")]

mod args;
mod batches;
mod comparison;
mod devices;
mod error;
mod model;
mod progress;
mod run;
mod sample;
mod saved;
mod text;
mod training;
mod validation;

pub use args::Args;
pub use batches::{Batch, training_batches, validation_batches};
pub use comparison::Comparison;
pub use devices::devices;
pub use error::Error;
pub use model::{Attention, Block, Embed, Gpt, GptConfig, Head};
pub use run::run;
pub use sample::sample;
pub use saved::{resume, save};
pub use text::Text;
pub use training::{Training, cross_entropy};
pub use validation::validation_loss;
