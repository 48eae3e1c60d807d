//! Who ran which instruction from when to when.

mod base;
mod span;
mod stage_time;

pub use base::Timeline;
pub use span::Span;
pub use stage_time::StageTime;
