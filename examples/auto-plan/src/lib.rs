#![doc = include_str!("../README.md")]

mod args;
mod comparison;
mod error;
mod files;
mod measuring;
mod model;
mod pictures;
mod run;
mod trial;

pub use args::Args;
pub use error::Error;
pub use run::run;
