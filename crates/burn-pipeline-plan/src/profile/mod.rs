//! What the layers of a model cost, as measured or described.

mod base;
mod error;

pub use base::{LayerProfile, Measurement, Profile, SharedParameter};
pub use error::ProfileError;
