//! One epoch: training, then validation.

use burn::data::dataloader::DataLoader;
use burn::optim::GradientsAccumulator;
use burn::train::{
    EventProcessorTraining, Interrupter, Learner, LearnerEvent, SupervisedTrainingEventProcessor,
    TrainingItem,
};

use super::PipelineStep;
use crate::PipelineModule;

/// What a run of the `Learner` works on. Steps, events and interruptions come in the order of
/// burn-train's strategy for one device; a stage that fails stops the run with its error.
pub(super) struct Run<M: PipelineStep> {
    pub(super) learner: Learner<PipelineModule<M>>,
    pub(super) events: SupervisedTrainingEventProcessor<PipelineModule<M>>,
    pub(super) interrupter: Interrupter,
    pub(super) grads_accumulation: Option<usize>,
}

impl<M: PipelineStep> Run<M> {
    pub(super) fn train(&mut self, batches: &dyn DataLoader<M::Batch>, epoch: usize) {
        self.tell_train(LearnerEvent::StartSplit {
            epoch_number: epoch,
            total_items: batches.num_items(),
        });
        self.train_batches(batches, epoch);
        self.tell_train(LearnerEvent::EndSplit(epoch));
    }

    pub(super) fn validate(&mut self, batches: &dyn DataLoader<M::Batch>, epoch: usize) {
        self.tell_valid(LearnerEvent::StartSplit {
            epoch_number: epoch,
            total_items: batches.num_items(),
        });
        self.validate_batches(batches, epoch);
        self.tell_valid(LearnerEvent::EndSplit(epoch));
        self.tell_train(LearnerEvent::EndEpoch(epoch));
    }

    /// Wait until every metric of the epoch has been told.
    pub(super) fn flush(&mut self) {
        let told = self.events.flush();
        self.interrupter.fail_on_error(told);
    }

    fn train_batches(&mut self, batches: &dyn DataLoader<M::Batch>, epoch: usize) {
        log::info!("Executing training step for epoch {epoch}");
        let mut batches = batches.iter();
        let mut iteration = 0;
        let mut accumulator = GradientsAccumulator::new();
        let mut num_accumulated = 0;

        while let Some(batch) = batches.next() {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => return self.interrupter.fail(error),
            };
            iteration += 1;
            log::info!("Iteration {iteration}");
            let progress = batches.progress();
            let output = match self.learner.model().learn(batch) {
                Ok(output) => output,
                Err(error) => return self.interrupter.fail(error),
            };

            match self.grads_accumulation {
                None => self.optimize(output.grads),
                Some(num_batches) => {
                    accumulator.accumulate(&self.learner.model(), output.grads);
                    num_accumulated += 1;
                    if num_batches <= num_accumulated || progress.is_completed() {
                        self.optimize(accumulator.grads());
                        num_accumulated = 0;
                    }
                }
            }

            let lr = Some(self.learner.lr_current());
            let item = TrainingItem::new(output.item, progress, Some(iteration), lr);
            self.tell_train(LearnerEvent::ProcessedItem(item));
            if self.interrupter.should_stop() {
                return;
            }
        }
    }

    fn validate_batches(&mut self, batches: &dyn DataLoader<M::Batch>, epoch: usize) {
        log::info!("Executing validation step for epoch {epoch}");
        let model = self.learner.model();
        let mut batches = batches.iter();
        let mut iteration = 0;

        while let Some(batch) = batches.next() {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => return self.interrupter.fail(error),
            };
            let progress = batches.progress();
            iteration += 1;
            let item = match model.validate(batch) {
                Ok(item) => item,
                Err(error) => return self.interrupter.fail(error),
            };
            let item = TrainingItem::new(item, progress, Some(iteration), None);
            self.tell_valid(LearnerEvent::ProcessedItem(item));
            if self.interrupter.should_stop() {
                return;
            }
        }
    }

    fn optimize(&mut self, grads: burn::optim::GradientsParams) {
        self.learner.lr_step();
        self.learner.optimizer_step(grads);
    }

    fn tell_train(&mut self, event: LearnerEvent<M::Item>) {
        let told = self.events.process_train(event);
        self.interrupter.fail_on_error(told);
    }

    fn tell_valid(&mut self, event: LearnerEvent<M::Item>) {
        let told = self.events.process_valid(event);
        self.interrupter.fail_on_error(told);
    }
}
