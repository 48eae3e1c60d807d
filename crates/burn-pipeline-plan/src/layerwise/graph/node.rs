use serde::{Deserialize, Serialize};

use super::super::{Axis, Reads, Shape};

/// An input of a layer: which layer makes it, and which part of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// The number of the layer that makes it.
    pub producer: usize,
    /// What a part of the output reads of it.
    #[serde(default)]
    pub reads: Reads,
}

/// Measured times of a layer that is not split, on the first device of the group that it is
/// planned for. Other devices take as much longer as their floating point operations per second
/// are fewer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSeconds {
    /// The forward pass, in seconds.
    pub forward: f64,
    /// The backward pass, in seconds.
    pub backward: f64,
}

/// A layer of a [`Graph`](super::Graph).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name, for tables and messages. No two layers have the same.
    pub name: String,
    /// The shape of its output.
    pub shape: Shape,
    /// Its inputs, from layers before it. Data that is loaded wherever it is read is none.
    #[serde(default)]
    pub inputs: Vec<Edge>,
    /// The axes along which it may be split.
    #[serde(default)]
    pub axes: Vec<Axis>,
    /// The number of units that its channels come in, heads or groups, if they come in any: a
    /// degree by channel divides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_units: Option<usize>,
    /// The floating point operations of the forward pass over the whole mini-batch.
    #[serde(default)]
    pub forward_flops: u64,
    /// The floating point operations of the backward pass.
    #[serde(default)]
    pub backward_flops: u64,
    /// Measured times, in place of the operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<NodeSeconds>,
    /// The bytes of its parameters that train.
    #[serde(default)]
    pub parameter_bytes: u64,
    /// Whether a part along the channels holds only its own parameters: convolution, linear.
    /// Otherwise, every part holds all of them.
    #[serde(default)]
    pub splits_parameters: bool,
    /// The bytes of an element of its output.
    #[serde(default = "four")]
    pub bytes_per_element: u64,
    /// Whether the layer before it in the backward pass wants the gradient of its output: not of
    /// data.
    #[serde(default = "yes")]
    pub needs_gradient: bool,
}

fn four() -> u64 {
    4
}

fn yes() -> bool {
    true
}

impl Node {
    /// A layer that computes nothing, has no parameters and no inputs, and is not split: 4 bytes
    /// per element. What differs is set in its fields.
    pub fn new(name: impl Into<String>, shape: Shape) -> Self {
        Self {
            name: name.into(),
            shape,
            inputs: Vec::new(),
            axes: Vec::new(),
            channel_units: None,
            forward_flops: 0,
            backward_flops: 0,
            seconds: None,
            parameter_bytes: 0,
            splits_parameters: false,
            bytes_per_element: four(),
            needs_gradient: yes(),
        }
    }

    /// The floating point operations of a step: forward and backward.
    pub fn flops(&self) -> u64 {
        self.forward_flops + self.backward_flops
    }
}
