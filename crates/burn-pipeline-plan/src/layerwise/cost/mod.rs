//! What a step costs under configurations: computing, synchronizing gradients, moving signals.

mod compute;
mod group;
mod step;
mod synchronization;
mod transfer;

pub(super) use compute::compute_seconds;
pub(super) use group::Group;
pub use step::{LayerCost, StepCost};
pub use synchronization::Synchronization;
pub(super) use synchronization::{synchronization_bytes, synchronization_seconds};
pub(super) use transfer::Transfer;
