//! A U-Net (Ronneberger, Fischer and Brox, 2015) as a sequence of layers.

mod base;
mod block;
mod bytes;
mod features;
mod parts;

pub use base::{UNet, UNetConfig};
pub use block::Block;
pub use features::{Features, Route, Sent};
pub use parts::{Bottom, Down, Head, Up};
