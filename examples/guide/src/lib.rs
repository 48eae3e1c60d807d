#![doc = include_str!("../README.md")]

mod args;
mod config;
mod data;
mod digits;
mod error;
mod evaluation;
pub mod pipelined;
pub mod plain;
mod run;

pub use args::Args;
pub use config::{ModelConfig, TrainingConfig};
pub use data::{DigitBatch, DigitBatcher};
pub use digits::{Digit, Digits, NUM_CLASSES, SIZE};
pub use error::Error;
pub use evaluation::accuracy;
pub use run::run;
