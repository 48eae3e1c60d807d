//! What the layers of a model cost, as measured or described.

mod base;
mod chart;
mod costs;
mod display;
mod error;
mod json;
mod measurement;
mod size;
mod table;

pub use base::{BytesSource, LayerProfile, Profile, SharedParameter};
pub use chart::ProfileChart;
pub use costs::{ProfileCosts, ProfileCostsError};
pub use error::ProfileError;
pub use measurement::{Measurement, WorkingBytes};
