//! What the loss costs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::clock::timed;
use crate::engine::LossEnd;
use crate::error::message_of;
use crate::rematerialize::Pass;
use crate::signal::{AnySignal, Passing, StageDevice};

/// The loss of micro-batches of one size.
pub(super) type Loss = Box<dyn LossEnd>;

/// What one round took, in seconds.
#[derive(Clone, Copy)]
pub(super) struct LossRound {
    pub(super) forward: f64,
    pub(super) recorded_forward: f64,
    pub(super) backward: f64,
}

/// Run a loss on `outputs` as the last stage does. The loss comes back, to be run again.
pub(super) fn run(
    mut loss: Loss,
    outputs: &AnySignal,
    num_samples: usize,
    device: &StageDevice,
) -> Result<(Loss, LossRound), String> {
    let round = catch_unwind(AssertUnwindSafe(|| {
        round(&mut loss, outputs, device);
        round(&mut loss, outputs, device)
    }));
    match round {
        Ok(round) => Ok((loss, round)),
        Err(panic) => Err(format!(
            "the loss failed on {num_samples} samples: {}",
            message_of(panic.as_ref())
        )),
    }
}

fn round(loss: &mut Loss, outputs: &AnySignal, device: &StageDevice) -> LossRound {
    let untracked = outputs.clone().into_leaves(device, false);
    let (_, forward) = timed(device.device(), || {
        loss.loss(0, untracked, Pass::Untracked);
    });
    let leaves = outputs.clone().into_leaves(device, true);
    let recorded = leaves.clone();
    let (root, recorded_forward) = timed(device.device(), || loss.loss(0, recorded, Pass::Tracked));
    let (_, backward) = timed(device.device(), move || {
        let (leaves, root) = (leaves, root);
        let root = root.filter(|root| root.is_tracked());
        let mut gradients = root.map(|root| root.backward());
        drop(leaves.gradients(gradients.as_mut(), Passing::default(), device));
    });
    LossRound {
        forward,
        recorded_forward,
        backward,
    }
}
