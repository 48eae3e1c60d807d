#![doc = include_str!("../README.md")]

mod args;
mod batches;
mod error;
mod model;
mod pictures;
mod progress;
mod run;
mod shapes;
mod traffic;
mod training;
mod validation;

pub use args::Args;
pub use batches::{Batch, training_batches, validation_batches};
pub use error::Error;
pub use model::{Block, Bottom, Down, Features, Head, Route, Sent, UNet, UNetConfig, Up};
pub use pictures::{Picture, Pictures, Split};
pub use run::run;
pub use shapes::Shape;
pub use traffic::Traffic;
pub use training::{Training, cross_entropy};
pub use validation::{Overlap, validate};
