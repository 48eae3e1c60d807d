use serde::{Deserialize, Serialize};

use super::found::Found;
use crate::{Rematerialization, ScheduleKind};

/// How a plan came about, what limits it and what would help.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// How many combinations of stages, chunks, micro-batches, schedule and rematerialization there
    /// were.
    pub num_candidates: usize,
    /// How many of them a bound on the time of a step ruled out.
    pub num_pruned: usize,
    /// How many did not fit into the memory, with any of the cuts that were tried.
    pub num_too_large: usize,
    /// How many were simulated: all others.
    pub num_simulated: usize,
    /// The best one but the plan itself.
    pub second: Option<Alternative>,
    /// What the step loses its time to, the greatest loss first. What takes less than a hundredth
    /// of it is left out.
    pub findings: Vec<Finding>,
}

/// Another way to run a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// The number of stages.
    pub num_stages: usize,
    /// The number of micro-batches.
    pub num_micro_batches: usize,
    /// The schedule.
    pub schedule: ScheduleKind,
    /// What is recomputed.
    pub rematerialization: Rematerialization,
    /// The time of a step, in seconds.
    pub seconds: f64,
}

impl Alternative {
    pub(super) fn of(found: &Found) -> Self {
        Self {
            num_stages: found.candidate.num_stages,
            num_micro_batches: found.candidate.num_micro_batches,
            schedule: found.candidate.kind.clone(),
            rematerialization: found.candidate.rematerialization,
            seconds: found.seconds,
        }
    }
}

/// Something that a step loses time to, and what would help.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Stages wait for the first micro-batches to come and for the last ones to go.
    Bubble {
        /// The share of the step that even the busiest stage waits, links aside.
        share: f64,
        /// The plan with twice the micro-batches.
        twice: MoreMicroBatches,
    },
    /// One stage takes longer than the others.
    SlowStage {
        /// The share of the step that the other stages wait for it, in the mean.
        share: f64,
        /// The stage that is busy longest.
        stage: usize,
        /// How often it takes the mean of all stages.
        times_mean: f64,
        /// Its slowest layer, and what that is called.
        layer: usize,
        /// Its name.
        name: String,
        /// How often that layer alone takes the mean of all stages.
        layer_times_mean: f64,
        /// The time of a step with that layer written as two of half the cost, in seconds; none
        /// where that is no gain.
        split_seconds: Option<f64>,
    },
    /// Stages wait for signals and gradients to arrive.
    Link {
        /// The share of the step that would be saved if links took no time.
        share: f64,
        /// The stage that the slowest way to the next stage begins at, along the model.
        from_place: usize,
        /// What a signal takes there, in seconds.
        seconds: f64,
        /// The time of a step if every link was twice as fast, in seconds.
        twice_as_fast_seconds: f64,
    },
    /// A faster plan does not fit.
    Memory {
        /// The share of the step that it would save.
        share: f64,
        /// The faster plan.
        faster: Alternative,
        /// The device that is short then.
        device: usize,
        /// What it would need, in bytes.
        need: u64,
        /// What it holds, in bytes.
        limit: u64,
    },
}

impl Finding {
    /// The share of the step that it takes, from 0 to 1.
    pub fn share(&self) -> f64 {
        match self {
            Self::Bubble { share, .. }
            | Self::SlowStage { share, .. }
            | Self::Link { share, .. }
            | Self::Memory { share, .. } => *share,
        }
    }
}

/// What twice as many micro-batches would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoreMicroBatches {
    /// The mini-batch has too few samples.
    TooFewSamples {
        /// The number of micro-batches.
        num_micro_batches: usize,
        /// The samples that it has.
        batch_size: usize,
    },
    /// It does not fit.
    TooLarge {
        /// The number of micro-batches.
        num_micro_batches: usize,
        /// The bubble then.
        share: f64,
        /// What the fullest device would need, in bytes.
        need: u64,
        /// What it holds, in bytes.
        limit: u64,
    },
    /// It fits.
    Fits {
        /// The number of micro-batches.
        num_micro_batches: usize,
        /// The bubble then.
        share: f64,
        /// The time of a step then, in seconds.
        seconds: f64,
    },
}
