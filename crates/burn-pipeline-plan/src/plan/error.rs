use std::ops::Range;

use thiserror::Error;

use crate::{
    ClusterError, GraphError, LayerwiseError, Partition, ProfileCostsError, ScheduleError,
    SimulateError, UnsolvableError, bytes::bytes,
};

/// Why there is no plan, and what to change.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum PlanError {
    /// The profile cannot be put on the cluster.
    #[error(transparent)]
    Costs(#[from] ProfileCostsError),

    /// A schedule cannot be made.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),

    /// A schedule cannot be simulated.
    #[error(transparent)]
    Simulate(#[from] SimulateError),

    /// The layers cannot be divided among the devices.
    #[error(transparent)]
    Partition(#[from] UnsolvableError),

    /// A graph is none.
    #[error(transparent)]
    Graph(#[from] GraphError),

    /// The configurations of layers cannot be searched.
    #[error(transparent)]
    Layerwise(#[from] LayerwiseError),

    /// Groups of devices make no cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),

    /// A graph is of another model than the profile.
    #[error(
        "layer {layer} is `{expected}` in the profile, but {found} in the graph: give the graph of \
         the profiled model, its layers in their order"
    )]
    GraphLayer {
        layer: usize,
        expected: String,
        found: String,
    },

    /// No size of groups may be tried.
    #[error("no size of groups divides {num_devices} devices: allow one that does, as 1")]
    NoGroups { num_devices: usize },

    /// What the planner may choose from leaves no choice.
    #[error(
        "nothing to try for {num_layers} layers on {num_devices} devices and a mini-batch of \
         {batch_size} samples: allow from 1 stage and 1 micro-batch up to those numbers, and at \
         least one schedule and one rematerialization"
    )]
    NothingToTry {
        num_layers: usize,
        num_devices: usize,
        batch_size: usize,
    },

    /// No plan fits.
    #[error(
        "no plan fits into the memory: {} needs {} for {place}, which holds {}, with {how}: give devices of at least that much or more of them, make layers smaller, or \
         take fewer samples per micro-batch",
        closest(*num_candidates, *num_left_out), bytes(*need), bytes(*limit)
    )]
    Memory {
        need: u64,
        limit: u64,
        device: usize,
        layers: Range<usize>,
        /// The layers and the device by their names.
        place: String,
        /// The plan that comes closest.
        how: String,
        num_candidates: usize,
        /// How many plans with several chunks per stage were not looked at, and might come closer.
        num_left_out: usize,
    },

    /// Nothing limits how large a batch or model may be.
    #[error("up to {most} {what} fit: give devices a limit, or ask for at most what you need")]
    NoLimit { most: usize, what: &'static str },

    /// Layers are to be repeated that are not there.
    #[error(
        "layers {layers:?} are to be repeated, but the model has {num_layers} layers: give a range \
         of at least 1 of them"
    )]
    Repeated {
        layers: Range<usize>,
        num_layers: usize,
    },

    /// A stored plan does not fit together.
    #[error("the plan is for {found} {what}, but it needs {expected}: plan again")]
    Stored {
        what: &'static str,
        found: usize,
        expected: usize,
    },

    /// A stored plan names a device twice.
    #[error("the plan has two stages on device {device}: plan again")]
    SameDevice { device: usize },

    /// A stored plan promises what its costs do not give.
    #[error(
        "the plan says that a step takes {stored} s, but its costs say {simulated} s with \
         {partition}: plan again"
    )]
    Promise {
        stored: f64,
        simulated: f64,
        partition: Partition,
    },
}

fn closest(num_candidates: usize, num_left_out: usize) -> String {
    match num_left_out {
        0 => "the one that comes closest".to_string(),
        _ => format!(
            "the one that comes closest of the {} that were looked at, of {num_candidates},",
            num_candidates - num_left_out
        ),
    }
}
