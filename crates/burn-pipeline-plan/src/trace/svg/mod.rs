//! Draws timelines as vector graphics.

mod base;
mod colour;
mod grid;
mod legend;
mod number;
mod page;
mod rows;
mod text;

#[cfg(test)]
mod tests;

pub use base::Svg;

pub(crate) use text::{Px, escaped, text_width};
