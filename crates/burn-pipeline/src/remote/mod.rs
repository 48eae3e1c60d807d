//! Devices of other machines: connecting to their servers, and noticing when one is gone.

mod address;
mod base;
mod channel;
mod connect;
mod pulse;
mod servers;

pub use base::Remote;
pub(crate) use channel::channel;
pub(crate) use servers::{Server, one_server, server_of};
