//! What one stage is told to do in a training step.

use std::collections::HashMap;
use std::time::Instant;

use burn::tensor::Tensor;
use burn_pipeline_plan::Instruction;

use super::cancel::Cancel;
use super::gradients::LayerGradients;
use super::inbox::{Inbox, Outbox};
use super::layers::StageLayers;
use crate::rematerialize::{Decays, Pass, Statistics};
use crate::signal::{AnySignal, FloatGradients};

/// Where a chunk's boundaries come from: the caller at the first place, else the one before.
pub(crate) enum Source {
    Batch(HashMap<usize, AnySignal>),
    Before(Inbox<AnySignal>),
}

/// Where a chunk's outputs go: to the next place, or into the loss.
pub(crate) enum Sink {
    Next {
        boundaries: Outbox<AnySignal>,
        /// Absent when nothing at or before this place trains.
        gradients: Option<Inbox<FloatGradients>>,
    },
    Loss(Box<dyn LossEnd>),
}

/// The end of the pipeline: what the last place does with its outputs.
pub(crate) trait LossEnd: Send {
    /// The loss of one micro-batch, weighted by its share of the mini-batch; nothing, where its
    /// outputs wait for those of the others.
    fn loss(&mut self, micro_batch: usize, outputs: AnySignal, pass: Pass) -> Option<Tensor<1>>;

    /// The gradients of outputs that waited, once all are there.
    fn gradients(&mut self, micro_batch: usize) -> FloatGradients;
}

/// One stage's part of a training step.
pub(crate) struct StageTask<M> {
    pub(crate) stage: usize,
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) chunks: Vec<ChunkTask>,
    pub(crate) model: M,
    pub(crate) start: Instant,
    pub(crate) cancel: Cancel,
}

/// One chunk's part of it.
pub(crate) struct ChunkTask {
    /// Which part of the model the chunk is.
    pub(crate) part: usize,
    pub(crate) layers: StageLayers,
    pub(crate) decays: Decays,
    pub(crate) source: Source,
    pub(crate) sink: Sink,
    /// Whether anything at or before this place trains: elsewhere there is nothing to run backward.
    pub(crate) trains: bool,
    /// Absent at the first place, and where nothing before this one trains.
    pub(crate) gradients: Option<Outbox<FloatGradients>>,
}

/// What a chunk has to show for a step.
pub(crate) struct ChunkResult {
    pub(crate) part: usize,
    pub(crate) gradients: LayerGradients,
    pub(crate) statistics: Statistics,
    pub(crate) num_bytes_received: u64,
}
