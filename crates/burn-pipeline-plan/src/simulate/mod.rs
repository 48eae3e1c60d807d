//! Runs a schedule under costs, on paper, and improves it by what that shows.

mod base;
mod recompute_early;

#[cfg(test)]
mod closed_forms;

pub use base::{SimulateError, Simulation, simulate};
pub use recompute_early::recompute_early;
