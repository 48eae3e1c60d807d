//! A run on disk.

mod base;
mod directory;
mod error;

pub use base::{Loaded, Saved};
pub use error::{LoadError, SaveError};
