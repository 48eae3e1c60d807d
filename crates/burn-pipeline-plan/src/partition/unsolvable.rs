use std::ops::Range;

use thiserror::Error;

use crate::bytes::bytes;

/// Why layers cannot be divided among devices as asked, and what to change.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum UnsolvableError {
    /// There is nothing to divide, or nobody to take it.
    #[error(
        "{num_layers} layers cannot be divided among {num_devices} devices: give 1 or more of both"
    )]
    Nothing {
        num_layers: usize,
        num_devices: usize,
    },

    /// Fewer devices than stages.
    #[error(
        "{num_stages} stages need as many devices, but there are {num_devices}: ask for 1 to {num_devices} stages"
    )]
    NoSuchStages {
        num_stages: usize,
        num_devices: usize,
    },

    /// A list does not have one entry for each layer.
    #[error("there are {found} {what} for {num_layers} layers: give one for each")]
    Layers {
        what: &'static str,
        found: usize,
        num_layers: usize,
    },

    /// A weight is negative or no number.
    #[error("layer {layer} weighs {weight}: give a finite number that is not negative")]
    Weight { layer: usize, weight: f64 },

    /// A device computes nothing.
    #[error("device {device} has a speed of {speed}: give a positive number")]
    Speed { device: usize, speed: f64 },

    /// Layers are pinned together that are not there.
    #[error(
        "layers {layers:?} are pinned together, but the model has {num_layers} layers: give a \
         range of at least 1 of them"
    )]
    PinnedLayers {
        layers: Range<usize>,
        num_layers: usize,
    },

    /// A cut is pinned where none can be.
    #[error(
        "a cut is pinned before layer {layer}, but the model has {num_layers} layers: cuts fall \
         before layers 1 to {}",
        num_layers.saturating_sub(1)
    )]
    PinnedCut { layer: usize, num_layers: usize },

    /// Layers are pinned together and apart.
    #[error(
        "layers {layers:?} are pinned together, but a cut is pinned before layer {layer}, between \
         them: give up one of the two"
    )]
    PinsDisagree { layer: usize, layers: Range<usize> },

    /// More cuts are pinned than stages can have.
    #[error(
        "the pinned cuts make {num_parts} parts, but there are {num_stages} stages: pin at most \
         {} cuts",
        num_stages - 1
    )]
    TooManyCuts { num_parts: usize, num_stages: usize },

    /// Pins leave too few places for cuts.
    #[error(
        "{num_layers} layers make {num_pieces} pieces that may be parted, too few for {num_stages} \
         stages: pin fewer layers together, or ask for at most {num_pieces} stages"
    )]
    TooFewPieces {
        num_pieces: usize,
        num_layers: usize,
        num_stages: usize,
    },

    /// Too many orders of devices to try.
    #[error(
        "{num_layers} layers on {num_stages} of {num_devices} devices of {num_kinds} kinds in any \
         order take {num_steps:.1e} steps, more than {most:.1e}: give the devices in an order, or \
         describe devices that differ little as equal"
    )]
    TooManyOrders {
        num_layers: usize,
        num_stages: usize,
        num_devices: usize,
        num_kinds: usize,
        num_steps: f64,
        most: f64,
    },

    /// The layers do not fit into the memory.
    #[error(
        "{what} need{s} {}, but device {device} holds {}: {}",
        bytes(*need), bytes(*limit), remedy(layers),
        what = named(layers, names), s = if layers.len() == 1 { "s" } else { "" }
    )]
    Memory {
        /// The layer that is too large alone, or those of the stage that is short in the partition
        /// that comes closest.
        layers: Range<usize>,
        /// The names of its first and its last layer, where layers have names.
        names: Option<(String, String)>,
        stage: usize,
        device: usize,
        need: u64,
        limit: u64,
    },
}

fn remedy(layers: &Range<usize>) -> &'static str {
    match layers.len() {
        1 => "write it as smaller layers, or give it a larger device",
        _ => {
            "no other cuts come closer; use more or larger devices, smaller micro-batches, or more \
             rematerialization"
        }
    }
}

fn named(layers: &Range<usize>, names: &Option<(String, String)>) -> String {
    let last = layers.end.saturating_sub(1);
    match (names, layers.len()) {
        (Some((name, _)), 1) => format!("layer {last} (`{name}`)"),
        (None, 1) => format!("layer {last}"),
        (Some((first, end)), _) => {
            format!("layers {} to {last} (`{first}` to `{end}`)", layers.start)
        }
        (None, _) => format!("layers {} to {last}", layers.start),
    }
}
