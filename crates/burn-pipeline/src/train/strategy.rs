use std::sync::Arc;

use burn::train::{
    Learner, SupervisedLearningStrategy, SupervisedTrainingEventProcessor, TrainLoader,
    TrainingComponents, TrainingStrategy, ValidLoader,
};

use super::PipelineStep;
use super::epoch::Run;
use crate::PipelineModule;

/// Trains a `Learner` whose model is a [`PipelineModule`]: give it to
/// `SupervisedTraining::with_training_strategy` with `.into()`.
///
/// Everything around the step is burn-train's, and in the order in which it happens on one device:
/// metrics, renderers, checkpoints, early stopping, learning rate schedules, gradient accumulation,
/// interruption. Batches are loaded onto the device of the first stage. Checkpoints hold the records
/// of the plain model, so a run may be resumed with other cuts, or without a pipeline. Tied
/// weights are in them once.
///
/// A stage that fails ends training: `LearningResult::error` has the sentence of the
/// [`PipelineError`](crate::PipelineError), and the model is that of the last step that succeeded.
///
/// Random layers are seeded by the step, and epoch `e` counts its steps from `(e - 1) * 2^32`: a
/// resumed run draws what it would have drawn had it not been interrupted, without knowing how many
/// batches an epoch has. [`PipelineModule::num_steps`] shows that number. A loader that shuffles
/// begins its shuffles anew when a run is resumed, as it does on one device.
///
/// `SupervisedTraining::gradient_checkpointing` reaches burn-train's own strategies only: name devices
/// with `.gradient_checkpointing()` in the [`Placement`](crate::Placement) instead. The same
/// `Learner` trains without this strategy as well, as `ExecutionStrategy::SingleDevice`, but then a
/// stage that fails is a panic, and a resumed run draws other random numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PipelineStrategy;

impl<M: PipelineStep> From<PipelineStrategy> for TrainingStrategy<PipelineModule<M>> {
    fn from(strategy: PipelineStrategy) -> Self {
        Self::Custom(Arc::new(strategy))
    }
}

impl<M: PipelineStep> SupervisedLearningStrategy<PipelineModule<M>> for PipelineStrategy {
    fn fit(
        &self,
        components: TrainingComponents<PipelineModule<M>>,
        learner: Learner<PipelineModule<M>>,
        train: TrainLoader<PipelineModule<M>>,
        valid: ValidLoader<PipelineModule<M>>,
        starting_epoch: usize,
    ) -> (
        PipelineModule<M>,
        SupervisedTrainingEventProcessor<PipelineModule<M>>,
    ) {
        let devices = learner.model().stage_devices();
        let first = devices.first().expect("a pipeline has a stage at least");
        let train = train.to_device(first);
        let valid = valid.to_device(first);
        let mut checkpointer = components.checkpointer;
        let mut early_stopping = components.early_stopping;
        let interrupter = components.interrupter.clone();
        let mut run = Run {
            learner,
            events: components.event_processor,
            interrupter: components.interrupter,
            grads_accumulation: components.grad_accumulation,
        };

        for epoch in starting_epoch..=components.num_epochs {
            run.learner.model().set_num_steps(first_step(epoch));
            run.train(train.as_ref(), epoch);
            if interrupter.should_stop() {
                if let Some(interruption) = interrupter.interruption() {
                    let reason = interruption.reason.as_deref().unwrap_or("reason unknown");
                    log::info!("Training interrupted: {reason}");
                }
                break;
            }

            run.validate(valid.as_ref(), epoch);
            if checkpointer.is_some() || early_stopping.is_some() {
                run.flush();
            }
            if interrupter.should_stop() {
                break;
            }
            if let Some(checkpointer) = &mut checkpointer {
                run.learner.model().flush();
                checkpointer.checkpoint(&run.learner, epoch, &components.event_store);
            }
            if let Some(early_stopping) = &mut early_stopping
                && early_stopping.should_stop(epoch, &components.event_store)
            {
                break;
            }
        }
        (run.learner.model(), run.events)
    }
}

/// The number of the first step of an epoch, which counts from 1.
fn first_step(epoch: usize) -> u64 {
    (epoch as u64 - 1) << 32
}
