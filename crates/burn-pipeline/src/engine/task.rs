//! What one stage is told to do in a training step.

use std::collections::HashMap;
use std::time::Instant;

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn_pipeline_plan::Instruction;

use super::inbox::{Inbox, Outbox};
use super::layers::StageLayers;
use crate::rematerialize::{Pass, Statistics};
use crate::signal::{AnySignal, FloatGradients};

/// Where a stage's boundaries come from: the caller for the first stage, else the one before.
pub(crate) enum Source {
    Batch(HashMap<usize, AnySignal>),
    Before(Inbox<AnySignal>),
}

/// Where a stage's outputs go: to the next stage, or into the loss.
pub(crate) enum Sink {
    Next {
        boundaries: Outbox<AnySignal>,
        /// Absent when nothing at or before this stage trains.
        gradients: Option<Inbox<FloatGradients>>,
    },
    Loss(Box<dyn LossEnd>),
}

/// The end of the pipeline: what the last stage does with its outputs.
pub(crate) trait LossEnd: Send {
    /// The loss of one micro-batch, weighted by its share of the mini-batch.
    fn loss(&mut self, micro_batch: usize, outputs: AnySignal, pass: Pass) -> Tensor<1>;
}

/// One stage's part of a training step.
pub(crate) struct StageTask<M> {
    pub(crate) stage: usize,
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) layers: StageLayers,
    pub(crate) model: M,
    pub(crate) source: Source,
    pub(crate) sink: Sink,
    /// Absent on the first stage, and where nothing before this stage trains.
    pub(crate) gradients: Option<Outbox<FloatGradients>>,
    pub(crate) start: Instant,
}

/// What a stage has to show for a step.
pub(crate) struct StageResult {
    pub(crate) gradients: GradientsParams,
    pub(crate) statistics: Statistics,
}
