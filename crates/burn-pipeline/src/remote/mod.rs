//! Devices of other machines: connecting to their servers, and noticing when one is gone.

mod address;
mod base;
mod connect;
mod pulse;
mod servers;
mod wait;

pub use base::Remote;
pub(crate) use servers::{Server, one_server, server_of};
pub(crate) use wait::within;
