//! Devices by name: parsing, opening, proving that they compute right, and naming them in errors.

mod cards;
mod driver;
mod error;
mod label;
mod name;
mod open;
mod probe;
mod wgpu;

pub(crate) use cards::warn_of_shared_cards;
pub use error::DeviceError;
#[cfg(feature = "remote")]
pub(crate) use label::remember;
pub(crate) use label::{is_remote, label};
pub use open::{available_devices, open_device, open_devices};
pub use probe::probe_device;
