//! Layer-wise parallelism: how each layer is split over the devices.

mod configuration;
mod graph;
mod reads;
mod region;

pub use configuration::Configuration;
pub use graph::{
    Convolution, Edge, Graph, GraphBuilder, GraphError, Node, NodeSeconds, Value, Window,
};
pub use reads::{AxisReads, Reads};
pub use region::{Axis, Region, Shape};
