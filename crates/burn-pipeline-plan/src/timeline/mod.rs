//! Who ran which instruction from when to when.

mod base;
mod span;

pub use base::Timeline;
pub use span::Span;
