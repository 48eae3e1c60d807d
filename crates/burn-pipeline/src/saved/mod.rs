//! A run on disk.

mod base;
mod directory;
mod error;
pub(crate) mod weights;

pub use base::{Loaded, Saved};
pub use error::{LoadError, SaveError};
