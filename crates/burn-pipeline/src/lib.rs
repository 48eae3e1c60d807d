#![doc = include_str!("../README.md")]

mod device;
mod engine;
mod error;
mod layer;
mod optimizer;
mod pipeline;
mod placement;
mod profile;
mod random;
mod rematerialize;
#[cfg(feature = "remote")]
mod remote;
mod saved;
mod shard;
mod signal;
#[cfg(feature = "train")]
mod train;
mod transfer;
mod waiting;

pub use burn_pipeline_derive::{Sequential, Signal};
pub use burn_pipeline_plan::{
    Alternative, Axis, AxisReads, Baseline, BestPartition, BytesSource, CellFault, ChromeTrace,
    Cluster, ClusterError, Comparison, ComparisonSvg, Configuration, Convolution, Cost, CostError,
    Costs, DeviceSpec, Edge, Elimination, EliminationStep, Explanation, Finding, Gantt, Graph,
    GraphBuilder, GraphError, GroupPlan, GroupPlanner, GroupedLayer, Host, Instruction, LayerCost,
    LayerProfile, Layerwise, LayerwiseError, Link, Measurement, Memory, MoreMicroBatches, Node,
    NodeSeconds, Op, Partition, PartitionError, PartitionProblem, Plan, PlanError, Planner,
    Profile, ProfileChart, ProfileCosts, ProfileCostsError, ProfileError, Reads, Region,
    Rematerialization, Schedule, ScheduleError, ScheduleKind, Sending, Shape, SharedParameter,
    SimulateError, Simulation, Span, StageDevice, StageMemory, StageTime, StepCost, Strategy,
    StrategyCost, Svg, Synchronization, Timeline, TriedGroups, UnsolvableError, Value, Wait,
    Window, WorkingBytes, forward_only, recompute_early, rematerialize, simulate, validate,
};

pub use device::{DeviceError, available_devices, open_device, open_devices, probe_device};
pub use error::{LostDevice, PipelineError, StageError};
pub use layer::{
    Layer, LayerMapper, LayerVisitor, Lift, RankFree, Ranked, Sequential, lift, ranked,
};
pub use optimizer::{
    Ema, LossScaler, LossScalerConfig, PipelineOptimizer, clip_gradients_by_norm,
    clip_gradients_by_value,
};
pub use pipeline::{PipelineConfig, PipelineModule, Precision, Reduction, StepOutput, TrainStep};
pub use placement::Placement;
pub use profile::{MeasuredLink, Profiler, measure_links, measured_cluster, profile, profile_each};
pub use random::{
    Dropout, DropoutConfig, GaussianNoise, GaussianNoiseConfig, layer_seed, with_random_step,
};
pub use rematerialize::RandomLayers;
#[cfg(feature = "remote")]
pub use remote::Remote;
pub use saved::{LoadError, Loaded, SaveError, Saved};
pub use shard::{
    BytesMoved, GroupPart, LayerDescription, ShardError, Sharded, Transfers, group_parts,
    group_placement, layer_graph, layer_kinds, shard,
};
pub use signal::{AnySignal, Signal, SignalMapper, SignalVisitor, Skip};
#[cfg(feature = "train")]
pub use train::{PipelineStep, PipelineStrategy};

/// What the derives and the benchmarks speak of. Not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::layer::Feeds;

    /// Draw random numbers with tensor operations, also where the host would be faster.
    pub fn draw_on_device(always: bool) {
        crate::random::draw_on_device(always);
    }
}
