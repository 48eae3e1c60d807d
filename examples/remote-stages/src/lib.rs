#![doc = include_str!("../README.md")]
#![cfg(feature = "remote")]

mod args;
mod error;
mod model;
mod process;
mod run;
mod server;

pub use args::Args;
pub use error::Error;
pub use model::{Dense, Reader, batch, loss};
pub use process::ServerProcess;
pub use run::run;
pub use server::{ServeArgs, serve};
