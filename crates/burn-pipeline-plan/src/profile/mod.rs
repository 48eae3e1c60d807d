//! What the layers of a model cost, as measured or described.

mod base;
mod chart;
mod costs;
mod display;
mod error;
mod json;
mod size;
mod table;

pub use base::{BytesSource, LayerProfile, Measurement, Profile, SharedParameter};
pub use chart::ProfileChart;
pub use costs::{ProfileCosts, ProfileCostsError};
pub use error::ProfileError;
