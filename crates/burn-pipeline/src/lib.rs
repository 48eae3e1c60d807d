#![doc = include_str!("../README.md")]

mod engine;
mod error;
mod layer;
mod pipeline;
mod placement;
mod rematerialize;
mod signal;

pub use burn_pipeline_derive::{Sequential, Signal};
pub use burn_pipeline_plan::{
    CellFault, ChromeTrace, Cost, CostError, Costs, Gantt, Instruction, Memory, Op, Partition,
    PartitionError, Rematerialization, Schedule, ScheduleError, ScheduleKind, SimulateError,
    Simulation, Span, StageTime, Svg, Timeline, Wait, forward_only, recompute_early, rematerialize,
    simulate, validate,
};

pub use error::{PipelineError, StageError};
pub use layer::{
    Layer, LayerMapper, LayerVisitor, Lift, RankFree, Ranked, Sequential, lift, ranked,
};
pub use pipeline::{PipelineConfig, PipelineModule, Reduction, StepOutput, TrainStep};
pub use placement::Placement;
pub use rematerialize::{RandomLayers, layer_seed};
pub use signal::{AnySignal, Signal, SignalMapper, SignalVisitor, Skip};

/// What the derives speak of. Not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::layer::Feeds;
}
