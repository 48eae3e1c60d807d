//! Schedules, partitions and timelines of pipeline parallelism, as plain data.
//!
//! Nothing here touches a tensor or a device. A [`Partition`] says which layers each stage holds.
//! A [`Schedule`] says, per stage, in which order it runs its instructions; [`validate`] proves
//! that it is complete and free of deadlock. A [`Timeline`] says who ran which instruction from
//! when to when: [`simulate`] predicts it from [`Costs`]. A [`Gantt`] draws it for a terminal, an
//! [`Svg`] for a paper, and a [`ChromeTrace`] for a trace viewer.
//!
//! ```
//! use burn_pipeline_plan::{
//!     Gantt, Partition, Rematerialization, ScheduleKind, Timeline, rematerialize, validate,
//! };
//!
//! let partition = Partition::even(8, 3)?;
//! assert_eq!(partition.to_string(), "0..3 | 3..6 | 6..8");
//!
//! let schedule = ScheduleKind::GPipe.schedule(partition.num_stages(), 4)?;
//! assert_eq!(
//!     schedule.to_string(),
//!     "\
//! stage 0   F0 F1 F2 F3             B3 B2 B1 B0
//! stage 1      F0 F1 F2 F3       B3 B2 B1 B0
//! stage 2         F0 F1 F2 F3 B3 B2 B1 B0"
//! );
//!
//! let schedule = rematerialize(schedule, Rematerialization::ExceptLast);
//! validate(&schedule)?;
//! println!("{}", Gantt::new(&Timeline::of_slots(&schedule)?, 100));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bytes;
mod cluster;
mod cost;
mod layerwise;
mod partition;
mod plan;
mod profile;
mod schedule;
mod simulate;
mod timeline;
mod trace;

pub use cluster::{Cluster, ClusterError, DeviceSpec, Host, Link};
pub use cost::{Cost, CostError, Costs, Memory};
pub use layerwise::{
    Axis, AxisReads, Baseline, Comparison, ComparisonSvg, Configuration, Convolution, Edge,
    Elimination, EliminationStep, Graph, GraphBuilder, GraphError, LayerCost, Layerwise,
    LayerwiseError, Node, NodeSeconds, Reads, Region, Shape, StepCost, Strategy, StrategyCost,
    Synchronization, Value, Window,
};
pub use partition::{
    BestPartition, Partition, PartitionError, PartitionProblem, Sending, StageDevice,
    UnsolvableError,
};
pub use plan::{
    Alternative, Explanation, Finding, GroupPlan, GroupPlanner, GroupedLayer, MoreMicroBatches,
    Plan, PlanError, Planner, StageMemory, TriedGroups,
};
pub use profile::{
    BytesSource, LayerProfile, Measurement, Profile, ProfileChart, ProfileCosts, ProfileCostsError,
    ProfileError, SharedParameter, WorkingBytes,
};
pub use schedule::{
    CellFault, Instruction, Op, Rematerialization, Schedule, ScheduleError, ScheduleKind, Wait,
    forward_only, rematerialize, validate,
};
pub use simulate::{SimulateError, Simulation, recompute_early, simulate};
pub use timeline::{Span, StageTime, Timeline};
pub use trace::{ChromeTrace, Gantt, Svg};
