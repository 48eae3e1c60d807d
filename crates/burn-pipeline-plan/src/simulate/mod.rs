//! Runs a schedule under costs, on paper.

mod base;

#[cfg(test)]
mod closed_forms;

pub use base::{SimulateError, Simulation, simulate};
