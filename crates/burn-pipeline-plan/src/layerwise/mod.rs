//! Layer-wise parallelism: how each layer is split over the devices.

mod base;
mod comparison;
mod configuration;
mod cost;
mod error;
mod graph;
mod legal;
mod reads;
mod region;
mod search;
mod strategy;

#[cfg(test)]
mod tests;

pub use base::Layerwise;
pub use comparison::{Baseline, Comparison, ComparisonSvg, StrategyCost};
pub use configuration::Configuration;
pub use cost::{LayerCost, StepCost, Synchronization};
pub use error::LayerwiseError;
pub use graph::{
    Convolution, Edge, Graph, GraphBuilder, GraphError, Node, NodeSeconds, Value, Window,
};
pub use reads::{AxisReads, Reads};
pub use region::{Axis, Region, Shape};
pub use search::{Elimination, EliminationStep};
pub use strategy::Strategy;
