//! The exact search of a configuration for each layer: Jia et al. (2018), section 5.

mod axis_key;
mod axis_vectors;
mod chunks;
mod digits;
mod eliminate;
mod elimination;
mod enumerate;
mod images;
mod layouts;
mod overlaps;
mod problem;
mod receivers;
mod table;
mod transfer_table;

pub(super) use eliminate::solve;
pub use elimination::{Elimination, EliminationStep};
pub(super) use enumerate::Rest;
pub(super) use problem::Problem;
