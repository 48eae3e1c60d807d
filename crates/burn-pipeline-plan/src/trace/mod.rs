//! Draws timelines, without caring who made them.

mod axis;
mod gantt;
mod row;

pub use gantt::Gantt;
