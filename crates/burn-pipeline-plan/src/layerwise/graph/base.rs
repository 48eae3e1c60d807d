use serde::{Deserialize, Serialize};

use super::{GraphError, Node, check::check};

/// A network as a graph of layers, with branches and joins: what layer-wise parallelism is
/// searched for (Jia et al., 2018, section 4).
///
/// Layers are in an order in which each comes after its inputs. [`GraphBuilder`](super::GraphBuilder)
/// knows the usual kinds of layers; [`lenet5`](Self::lenet5), [`alexnet`](Self::alexnet),
/// [`vgg16`](Self::vgg16), [`resnet50`](Self::resnet50) and [`inception_v3`](Self::inception_v3)
/// are ready. A graph is plain data and is checked when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    /// A graph of layers, each after its inputs.
    ///
    /// # Errors
    ///
    /// The first layer that cannot be, by name.
    pub fn new(nodes: Vec<Node>) -> Result<Self, GraphError> {
        check(&nodes)?;
        Ok(Self { nodes })
    }

    /// The layers, each after its inputs.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The number of layers.
    pub fn num_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The number of a layer, by name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|it| it.name == name)
    }

    /// The bytes of all parameters.
    pub fn parameter_bytes(&self) -> u64 {
        self.nodes.iter().map(|it| it.parameter_bytes).sum()
    }

    /// The floating point operations of the forward pass over the mini-batch; a multiplication
    /// and an addition count as two.
    pub fn forward_flops(&self) -> u64 {
        self.nodes.iter().map(|it| it.forward_flops).sum()
    }
}

/// A graph as it is stored, before it is checked.
#[derive(Deserialize)]
#[serde(rename = "Graph", deny_unknown_fields)]
struct Unchecked {
    nodes: Vec<Node>,
}

impl TryFrom<Unchecked> for Graph {
    type Error = GraphError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        Self::new(unchecked.nodes)
    }
}
