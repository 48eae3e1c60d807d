//! Networks as graphs of layers, with branches and joins.

mod base;
mod builder;
mod check;
mod error;
mod models;
mod node;
mod window;

pub use base::Graph;
pub use builder::{GraphBuilder, Value};
pub use error::GraphError;
pub use node::{Edge, Node, NodeSeconds};
pub use window::{Convolution, Window};
