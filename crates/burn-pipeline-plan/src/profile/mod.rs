//! What the layers of a model cost, as measured or described.

mod base;
mod costs;
mod error;
mod json;

pub use base::{BytesSource, LayerProfile, Measurement, Profile, SharedParameter};
pub use costs::{ProfileCosts, ProfileCostsError};
pub use error::ProfileError;
