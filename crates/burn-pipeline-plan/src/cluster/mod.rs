//! Described machines: devices, their memory, and what connects them.

mod base;
mod error;
mod link;
mod ready;

pub use base::{Cluster, DeviceSpec, Host};
pub use error::ClusterError;
pub use link::Link;
