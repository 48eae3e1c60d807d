#![doc = include_str!("../README.md")]

mod args;
mod error;
mod model;
mod pictures;
mod progress;
mod run;
mod search;
mod training;

pub use args::Args;
pub use error::Error;
pub use model::{AlexNet, AlexNetConfig, Flatten};
pub use pictures::{Batch, Pictures};
pub use run::run;
pub use search::search;
pub use training::{Outcome, train};
