//! The search for the best plan: partition, placement, micro-batches, schedule and
//! rematerialization together.

mod base;
mod bound;
mod candidate;
mod compact;
mod cuts;
mod display;
mod error;
mod evaluate;
mod explain;
mod explanation;
mod fit;
mod found;
mod groups;
mod largest;
mod memory;
#[cfg(test)]
mod oracle;
mod peak;
mod planner;
mod refine;
mod search;
mod shape;
mod sizes;
mod tables;
#[cfg(test)]
mod tests;

pub use base::Plan;
pub use error::PlanError;
pub use explanation::{Alternative, Explanation, Finding, MoreMicroBatches};
pub use groups::{GroupPlan, GroupPlanner, GroupedLayer, TriedGroups};
pub use memory::StageMemory;
pub use planner::Planner;
