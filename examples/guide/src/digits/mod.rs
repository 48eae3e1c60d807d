//! Small images of digits, drawn instead of downloaded.

mod base;
mod glyphs;
mod pen;

pub use base::{Digit, Digits};
pub use glyphs::NUM_CLASSES;
pub use pen::SIZE;
