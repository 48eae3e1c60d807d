//! A mini-batch of the `Learner` as a step of a pipeline.

use core::slice::from_ref;

use burn::train::{InferenceStep, TrainOutput, TrainStep};

use super::PipelineStep;
use super::target::beside_outputs;
use crate::pipeline::weigh;
use crate::{PipelineError, PipelineModule};

impl<M: PipelineStep> PipelineModule<M> {
    /// Forward and backward of a mini-batch.
    pub(super) fn learn(&self, batch: M::Batch) -> Result<TrainOutput<M::Item>, PipelineError> {
        let (input, target) = self.split(batch);
        let step = self
            .prepare_step(input, target.clone())
            .with_reduction(self.model().reduction())
            .with_outputs()
            .run(self.model().loss())?;
        let outputs = step
            .outputs
            .expect("a step returns the outputs it is asked for");
        let item = self.model().item(step.loss, outputs, target);
        self.flush();
        Ok(TrainOutput {
            grads: step.grads,
            item,
        })
    }

    /// Forward of a mini-batch, and its loss.
    pub(super) fn validate(&self, batch: M::Batch) -> Result<M::Item, PipelineError> {
        let (input, target) = self.split(batch);
        let whole = from_ref(&(0..1));
        let weights = weigh(&self.model().reduction(), whole, from_ref(&target))?;
        let outputs = self.forward(input)?;
        let loss = self.model().loss()(outputs.clone(), target.clone());
        let item = self.model().item(loss * weights[0], outputs, target);
        self.flush();
        Ok(item)
    }

    /// Input and target, the target where the outputs will be.
    fn split(&self, batch: M::Batch) -> (M::Input, M::Target) {
        let (input, target) = self.model().split(batch);
        let devices = self.stage_devices();
        let last = devices.last().expect("a pipeline has a stage at least");
        (input, beside_outputs(target, last))
    }

    /// Hand what this thread has queued to the devices, before another thread reads it: metrics
    /// and checkpoints are computed and written elsewhere.
    pub(super) fn flush(&self) {
        for device in self.runtime().devices() {
            // A device that cannot flush fails where its results are read.
            let _ = device.flush();
        }
    }
}

/// One mini-batch through the pipeline.
///
/// # Panics
///
/// When a stage fails, with the sentence of the [`PipelineError`]: the trait leaves no room for an
/// error. [`PipelineStrategy`](crate::PipelineStrategy) does not come here, and ends training with
/// the error.
impl<M: PipelineStep> TrainStep for PipelineModule<M> {
    type Input = M::Batch;
    type Output = M::Item;

    fn step(&self, batch: M::Batch) -> TrainOutput<M::Item> {
        self.learn(batch).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// One mini-batch through the pipeline, in evaluation.
///
/// # Panics
///
/// When a stage fails, as for [`TrainStep`].
impl<M: PipelineStep> InferenceStep for PipelineModule<M> {
    type Input = M::Batch;
    type Output = M::Item;

    fn step(&self, batch: M::Batch) -> M::Item {
        self.validate(batch)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}
