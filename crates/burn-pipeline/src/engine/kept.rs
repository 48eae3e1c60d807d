//! What a chunk keeps between its instructions, and how it is let go when a step fails.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Tensor;

use crate::layer::Sequential;
use crate::rematerialize::{Pass, StageCopies};
use crate::signal::AnySignal;

/// What a chunk keeps of a micro-batch in flight.
pub(super) enum Kept<M> {
    /// The boundary alone, to be recomputed from.
    Boundary(AnySignal),
    /// The leaves of a graph whose forward or backward has not ended.
    Started { leaves: AnySignal, copy: M },
    /// A recorded graph.
    Graph {
        leaves: AnySignal,
        outputs: Outputs,
        copy: M,
    },
}

pub(super) enum Outputs {
    Signal(AnySignal),
    Loss(Box<Tensor<1>>),
}

/// What is left of a chunk whose step has failed: graphs to be taken out of memory.
pub(crate) struct Abandoned<M> {
    copies: StageCopies<M>,
    kept: HashMap<usize, Kept<M>>,
}

impl<M: Sequential> Abandoned<M> {
    pub(super) fn new(copies: StageCopies<M>, kept: HashMap<usize, Kept<M>>) -> Self {
        Self { copies, kept }
    }

    /// Take every graph that was recorded out of memory, by one backward pass through the leaves.
    pub(crate) fn sweep(self) {
        let Self { copies, kept } = self;
        // A device that has failed may fail here again: there is nothing more to save then.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let recorded = kept.into_values().filter_map(|kept| match kept {
                Kept::Boundary(_) => None,
                Kept::Started { leaves, copy } | Kept::Graph { leaves, copy, .. } => {
                    Some([leaves.sum_of_floats(), copies.sum_of_leaves(&copy)])
                }
            });
            // Untracked passes leave nodes too, and any backward pass takes those.
            let any = copies.sum_of_leaves(&copies.copy(Pass::Tracked));
            let sums = recorded.flatten().chain([any]).flatten();
            let root = sums.reduce(|root, sum| root + sum);
            if let Some(root) = root {
                drop(copies.device().in_turn(|| root.backward()));
            }
        }));
    }
}
