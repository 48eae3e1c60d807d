//! Networks of the literature, as graphs.

mod alexnet;
mod inception_v3;
mod lenet5;
mod resnet50;
mod vgg16;

#[cfg(test)]
mod tests;

use super::{Graph, GraphBuilder};

/// The graph of a network of ours.
fn ready(builder: GraphBuilder) -> Graph {
    builder
        .build()
        .expect("a network from a paper's table is a graph")
}
