use burn_pipeline_plan::{Axis, Configuration};
use thiserror::Error;

/// Why a model cannot be split as its configurations say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShardError {
    /// Not one configuration per layer.
    #[error(
        "the model has {num_layers} layers, but there are {num_configurations} configurations: give one for each layer"
    )]
    Configurations {
        /// The layers of the model.
        num_layers: usize,
        /// What was given.
        num_configurations: usize,
    },

    /// A degree is zero.
    #[error(
        "layer {layer} `{path}` is split into no parts ({configuration:?}): a degree is at least 1"
    )]
    NoParts {
        /// Its index in the model.
        layer: usize,
        /// The path of its field.
        path: String,
        /// What was given.
        configuration: Configuration,
    },

    /// More parts than devices.
    #[error(
        "layer {layer} `{path}` is split into {num_parts} parts ({configuration}), but there are {num_devices} devices: lower its degrees or name more devices; a device may be named more than once"
    )]
    Devices {
        /// Its index in the model.
        layer: usize,
        /// The path of its field.
        path: String,
        /// What was given.
        configuration: Configuration,
        /// The product of its degrees.
        num_parts: usize,
        /// What was given.
        num_devices: usize,
    },

    /// An axis along which the layer cannot be split.
    #[error(
        "layer {layer} `{path}` cannot be split into {degree} parts by {axis}: {}",
        remedy(legal)
    )]
    Axis {
        /// Its index in the model.
        layer: usize,
        /// The path of its field.
        path: String,
        /// The axis.
        axis: Axis,
        /// The parts along it.
        degree: usize,
        /// The axes that it can be split along.
        legal: Vec<Axis>,
    },

    /// More parts than there are channels, heads or groups, or parts that groups do not divide into.
    #[error(
        "layer {layer} `{path}` cannot be split into {degree} parts by channel: it has {num} {name}, so take {}",
        if *equal { "a divisor of that" } else { "no more than that" }
    )]
    Channels {
        /// Its index in the model.
        layer: usize,
        /// The path of its field.
        path: String,
        /// The parts by channel.
        degree: usize,
        /// How many there are to split.
        num: usize,
        /// What there are so many of.
        name: &'static str,
        /// Whether every part must have the same number of them.
        equal: bool,
    },

    /// Two layers hold the same parameter.
    #[error(
        "layers {first} and {layer} `{path}` hold the same parameter {parameter}, and each layer in parts keeps its parameters to itself: give one of them a parameter of its own, or put both in one layer"
    )]
    Tied {
        /// The first layer that holds it.
        first: usize,
        /// The other layer.
        layer: usize,
        /// The path of the other layer's field.
        path: String,
        /// The parameter.
        parameter: burn::module::ParamId,
    },
}

fn remedy(legal: &[Axis]) -> String {
    let legal: Vec<_> = legal.iter().map(Axis::to_string).collect();
    match &legal[..] {
        [] => "it mixes its samples with a batch norm inside, so it must stay whole, or the batch norm become a layer of its own".to_string(),
        [one] => format!("it can be by {one} alone"),
        [most @ .., last] => format!("it can be by {} and {last}", most.join(", ")),
    }
}
