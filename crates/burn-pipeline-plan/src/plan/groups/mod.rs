//! The choice between more stages and larger groups of devices for each of them.

mod base;
mod chosen;
mod kinds;
#[cfg(test)]
mod tests;

pub use base::GroupPlanner;
pub use chosen::{GroupPlan, GroupedLayer, TriedGroups};
