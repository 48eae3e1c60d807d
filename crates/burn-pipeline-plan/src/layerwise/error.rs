use thiserror::Error;

use super::Configuration;

/// Why no configurations were found for a graph of layers, and what to change.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum LayerwiseError {
    /// There is nothing to compute on.
    #[error("the group has no devices: name at least one")]
    NoDevices,

    /// A device of the group is not in the cluster.
    #[error(
        "the group has device {device}, but the cluster has {num_devices} devices: number them \
         from 0"
    )]
    NoSuchDevice { device: usize, num_devices: usize },

    /// A device is in the group twice.
    #[error("the group has device {device} twice: name each device once")]
    SameDevice { device: usize },

    /// Configurations are of another graph.
    #[error("there are {found} configurations for a graph of {expected} layers: give each one")]
    NumConfigurations { found: usize, expected: usize },

    /// A layer cannot be split so.
    #[error(
        "layer `{name}` cannot be split by `{configuration}` on {num_devices} devices: take \
         degrees along its axes, no larger than its sizes, whose product divides {num_devices}"
    )]
    NotLegal {
        name: String,
        configuration: Configuration,
        num_devices: usize,
    },

    /// The graph cannot be made small enough.
    #[error(
        "after the elimination, {} are left with {combinations} combinations, more than {limit}: \
         let some of them be split along fewer axes, or take fewer devices",
        .layers.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
    )]
    TooManyLeft {
        layers: Vec<String>,
        combinations: u128,
        limit: u128,
    },
}
