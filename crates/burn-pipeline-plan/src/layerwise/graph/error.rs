use thiserror::Error;

use super::super::Axis;

/// What is wrong with a graph of layers, where, and what to change.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum GraphError {
    /// There is nothing to plan.
    #[error("the graph has no layers: give it at least one")]
    NoNodes,

    /// The profile is of another model.
    #[error(
        "the model has {num_layers} layers, but the profile is of {profiled}: profile this model"
    )]
    Profile { num_layers: usize, profiled: usize },

    /// Two layers cannot be told apart.
    #[error("layers {first} and {second} are both named `{name}`: give each a name of its own")]
    SameName {
        name: String,
        first: usize,
        second: usize,
    },

    /// An output has nothing in it.
    #[error(
        "the output of layer `{name}` has a {axis} of 0: make its input larger or its window \
         smaller"
    )]
    Empty { name: String, axis: Axis },

    /// A layer reads what is not made yet.
    #[error(
        "layer `{name}`, number {index}, reads the output of layer {producer}: put each layer \
         after its inputs"
    )]
    Order {
        name: String,
        index: usize,
        producer: usize,
    },

    /// Two layers disagree about a size.
    #[error(
        "layer `{name}` makes a {axis} of {size} of the same {axis} of `{producer}`, which is \
         {other}: make them equal, or say how it is read"
    )]
    Size {
        name: String,
        axis: Axis,
        size: usize,
        producer: String,
        other: usize,
    },

    /// A window is none.
    #[error(
        "layer `{name}` slides a window of {kernel} by {stride} with dilation {dilation} along \
         the {axis}: each must be at least 1"
    )]
    Window {
        name: String,
        axis: Axis,
        kernel: usize,
        stride: usize,
        dilation: usize,
    },

    /// A window or a concatenation leaves what it reads.
    #[error(
        "along the {axis}, layer `{name}` of {size} reads nothing of `{producer}`, which has \
         {other}, for its last elements or at its offset: make it smaller"
    )]
    Outside {
        name: String,
        axis: Axis,
        size: usize,
        producer: String,
        other: usize,
    },

    /// A measured time is none.
    #[error(
        "layer `{name}` takes {forward} s forward and {backward} s backward: give times of at least 0"
    )]
    Seconds {
        name: String,
        forward: f64,
        backward: f64,
    },
}
