#![doc = include_str!("../README.md")]

mod args;
mod error;
mod experiment;
mod files;
mod model;
mod run;
mod summary;

pub use args::Args;
pub use error::Error;
pub use experiment::{Experiment, Outcome};
pub use run::run;
