//! What the layers of a model cost, as measured or described.

mod base;
mod costs;
mod error;

pub use base::{LayerProfile, Measurement, Profile, SharedParameter};
pub use costs::{ProfileCosts, ProfileCostsError};
pub use error::ProfileError;
