//! Draws timelines, without caring who made them.

mod axis;
mod chrome;
mod gantt;
mod operations;
mod panel;
mod row;
mod svg;
mod ticks;
mod unit;

pub use chrome::ChromeTrace;
pub use gantt::Gantt;
pub use svg::Svg;

pub(crate) use svg::{Px, escaped, text_width};
pub(crate) use unit::duration;
