//! Tensors from device to device: what must not happen twice at once, and how to know that it did.

mod alive;
mod base;

pub(crate) use alive::prove_alive;
pub(crate) use base::{connect, connect_all, move_to, take_turn};
