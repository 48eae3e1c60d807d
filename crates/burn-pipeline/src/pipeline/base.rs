use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{ThreadId, current};

use burn::tensor::{Device, Tensor};
use burn_pipeline_plan::{Partition, Schedule, ScheduleError, forward_only};

use super::step::{StepOutput, TrainStep};
use crate::engine::{Cancel, Home, Scene, Step, Workers, infer};
use crate::layer::Sequential;
use crate::rematerialize::{Decays, LayerFacts, Statistics};
use crate::signal::{
    AnySignal, BatchShape, Signal, StageDevice, batch_size, concat, flush, narrow, plain,
};
use crate::{PipelineConfig, PipelineError};

/// A model that trains across devices: the wrapper around a [`Sequential`].
///
/// It is a Burn [`Module`](burn::module::Module) with the model's own parameter paths and ids:
/// optimizers, learning rate schedulers, records and stores see the plain model. Made by
/// [`PipelineConfig::init`].
///
/// Its parameters live on the devices of their stages, or where [their layers keep
/// them](crate::Layer#parameters-on-other-devices), and stay there:
/// [`fork`](burn::module::Module::fork) and [`to_device`](burn::module::Module::to_device) keep
/// the placement. Clones share the workers, and take turns when they are used at once. Dropping
/// the last clone ends the threads.
#[derive(Clone)]
pub struct PipelineModule<M> {
    model: M,
    runtime: Arc<Runtime>,
}

/// What the clones of a pipeline share: everything but the model.
pub(crate) struct Runtime {
    config: PipelineConfig,
    partition: Partition,
    schedule: Arc<Schedule>,
    devices: Vec<StageDevice>,
    homes: Vec<Home>,
    /// The devices, other than its stage's, on which each layer keeps parameters.
    keeps: Vec<Vec<Device>>,
    workers: Mutex<Workers>,
    worker_threads: Vec<ThreadId>,
    steps: AtomicU64,
    decays: Decays,
}

impl Runtime {
    pub(crate) fn new(
        config: PipelineConfig,
        partition: Partition,
        schedule: Schedule,
        devices: Vec<StageDevice>,
        keeps: Vec<Vec<Device>>,
        workers: Workers,
    ) -> Self {
        Self {
            config,
            partition,
            schedule: Arc::new(schedule),
            homes: devices.iter().map(Home::of).collect(),
            devices,
            keeps,
            worker_threads: workers.thread_ids(),
            workers: Mutex::new(workers),
            steps: AtomicU64::new(0),
            decays: Decays::default(),
        }
    }

    pub(crate) fn config(&self) -> &PipelineConfig {
        &self.config
    }

    pub(crate) fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The workers, for one step at a time. A worker that asked for them would wait for its own
    /// step to end.
    pub(crate) fn workers(&self) -> Result<MutexGuard<'_, Workers>, PipelineError> {
        match self.worker_threads.contains(&current().id()) {
            true => Err(PipelineError::Configuration(
                "a layer or the loss uses the pipeline that runs it: make a second pipeline for \
                 it, or take what it needs before the step"
                    .to_string(),
            )),
            false => {
                let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
                match workers.are_lost() {
                    true => Err(PipelineError::Worker(
                        "a step before this one left a thread waiting for a server that does not \
                         answer: make a new pipeline of what was saved last"
                            .to_string(),
                    )),
                    false => Ok(workers),
                }
            }
        }
    }

    /// The devices of each stage.
    pub(crate) fn devices(&self) -> &[StageDevice] {
        &self.devices
    }

    /// The same, as errors speak of them.
    pub(crate) fn homes(&self) -> &[Home] {
        &self.homes
    }

    /// That every server of the pipeline answers, or which does not.
    pub(crate) fn check_servers(&self) -> Result<(), String> {
        for (stage, home) in self.homes.iter().enumerate() {
            home.check().map_err(|gone| {
                format!(
                    "the device `{}` of stage {stage} is lost: {}",
                    gone.label(),
                    gone.reason
                )
            })?;
        }
        Ok(())
    }

    /// Where the stages are, for an error to look into.
    pub(crate) fn scene<'a>(&'a self, workers: &'a Workers) -> Scene<'a> {
        Scene {
            workers,
            homes: &self.homes,
            devices: &self.devices,
        }
    }

    /// Where the loss is computed.
    pub(crate) fn last_device(&self) -> &StageDevice {
        &self.devices[self.devices.len() - 1]
    }

    /// The schedule of a mini-batch of this many micro-batches: fewer than are configured where
    /// there are fewer samples.
    pub(crate) fn training_schedule(
        &self,
        num_micro_batches: usize,
    ) -> Result<Arc<Schedule>, ScheduleError> {
        if num_micro_batches == self.config.num_micro_batches {
            return Ok(self.schedule.clone());
        }
        let num_stages = self.devices.len();
        let schedule = self
            .config
            .training_schedule(num_stages, num_micro_batches)?;
        Ok(Arc::new(schedule))
    }

    pub(crate) fn step<'a>(
        &'a self,
        workers: &'a Workers,
        schedule: &'a Schedule,
        facts: Vec<LayerFacts>,
        samples: Vec<Range<usize>>,
    ) -> Step<'a> {
        // Work that the caller's thread has queued, an optimizer step say, must not be overtaken.
        for device in &self.devices {
            // A device that cannot flush fails in its stage, where the error can name it.
            let _ = device.flush();
        }
        Step {
            workers,
            partition: &self.partition,
            devices: &self.devices,
            homes: &self.homes,
            cancel: Cancel::default(),
            schedule,
            facts: Arc::new(facts),
            samples: Arc::new(samples),
            decays: self.decays.clone(),
            seed: self.config.seed,
            step: self.steps.load(Ordering::Acquire),
        }
    }

    /// A step has succeeded: its running statistics are the model's, and it counts.
    pub(crate) fn commit<M: Sequential>(&self, model: &M, statistics: Vec<Statistics>) {
        for (statistics, layers) in statistics.into_iter().zip(self.partition.stages()) {
            statistics.commit(model, &layers);
        }
        self.steps.fetch_add(1, Ordering::AcqRel);
    }

    /// The samples of each micro-batch of a mini-batch.
    pub(crate) fn micro_batches(&self, num_samples: usize) -> Vec<Range<usize>> {
        split(num_samples, self.config.num_micro_batches)
    }
}

/// `num_samples` in at most `num_parts` ranges, none empty, that differ by one sample at most.
fn split(num_samples: usize, num_parts: usize) -> Vec<Range<usize>> {
    let num_parts = num_parts.min(num_samples);
    (0..num_parts)
        .map(|part| num_samples * part / num_parts..num_samples * (part + 1) / num_parts)
        .collect()
}

impl<M: Sequential + 'static> PipelineModule<M> {
    pub(crate) fn new(model: M, runtime: Runtime) -> Self {
        Self {
            model,
            runtime: Arc::new(runtime),
        }
    }

    /// One training step: split the mini-batch, run the schedule, take `loss` of each micro-batch
    /// on the last stage, and return the mini-batch's loss and gradients.
    ///
    /// `loss` is the mean over the samples it is given, as Burn's losses are: micro-batches are
    /// weighted by their share, so that the result is the unsplit mini-batch's. For other losses,
    /// or to have the outputs as well, see [`prepare_step`](Self::prepare_step). The parameters do
    /// not change: that is the optimizer's part.
    ///
    /// `input` and `target` may be on any device, and need no autodiff; gradients with respect to
    /// them are not computed.
    ///
    /// # Errors
    ///
    /// When the mini-batch is empty, its tensors disagree on their first dimension, no parameter
    /// requires a gradient, or a layer or the loss fails. The pipeline is then as it was.
    pub fn train_step<T: Signal>(
        &self,
        input: M::Input,
        target: T,
        loss: impl Fn(M::Output, T) -> Tensor<1> + Send + Sync + 'static,
    ) -> Result<StepOutput<M::Output>, PipelineError> {
        self.prepare_step(input, target).run(loss)
    }

    /// A [`train_step`](Self::train_step) with choices: how losses of micro-batches add up, and
    /// what to return.
    pub fn prepare_step<T: Signal>(&self, input: M::Input, target: T) -> TrainStep<'_, M, T> {
        TrainStep::new(self, input, target)
    }

    /// The output for `input`: micro-batched, pipelined, without autodiff and with everything that
    /// layers do in training only (dropout, batch statistics) switched off.
    ///
    /// `input` is a mini-batch on any device, `[num_samples, ..]` in every tensor; so is the
    /// output, on the device of the last stage.
    ///
    /// # Errors
    ///
    /// When the mini-batch is empty or its tensors disagree on their first dimension, a layer
    /// fails, or the outputs of the micro-batches cannot be joined.
    pub fn forward(&self, input: M::Input) -> Result<M::Output, PipelineError> {
        let num_samples = num_samples(&input, "the input")?;
        let parts = self.runtime.micro_batches(num_samples);
        flush(&input);
        let input = plain(input);
        let inputs = parts
            .iter()
            .map(|part| AnySignal::new(narrow(&input, part.clone())))
            .collect();

        let num_stages = self.runtime.devices.len();
        let num_chunks = self.runtime.partition.num_stages() / num_stages;
        let schedule = forward_only(num_stages, num_chunks, parts.len())?;
        let workers = self.runtime.workers()?;
        let step = self.runtime.step(&workers, &schedule, self.facts(), parts);
        let outputs = infer(&step, &self.model, inputs)?;
        join(outputs.into_iter().map(AnySignal::into_signal).collect())
    }

    /// The model: its parameters are on the devices of their stages.
    pub fn inner(&self) -> &M {
        &self.model
    }

    /// The user's own model back. Its parameters stay on the devices of their stages.
    pub fn into_inner(self) -> M {
        self.model
    }

    /// Which layers are in which stage; with several chunks per stage, in which chunk: the parts go
    /// round the stages.
    pub fn partition(&self) -> &Partition {
        &self.runtime.partition
    }

    /// The device of each stage, without autodiff, as it was placed: where its layers may [keep
    /// parameters](crate::Layer#parameters-on-other-devices) besides, their devices tell.
    pub fn stage_devices(&self) -> Vec<Device> {
        let devices = self.runtime.devices.iter();
        devices.map(|device| device.device().clone()).collect()
    }

    /// The number of training steps that have succeeded. Random layers are seeded by it.
    pub fn num_steps(&self) -> u64 {
        self.runtime.steps.load(Ordering::Acquire)
    }

    /// Go on counting steps from `num_steps`: a run that is resumed draws the random numbers that
    /// it would have drawn had it not been interrupted.
    pub fn set_num_steps(&self, num_steps: u64) {
        self.runtime.steps.store(num_steps, Ordering::Release);
    }

    pub(crate) fn facts(&self) -> Vec<LayerFacts> {
        let runtime = &self.runtime;
        LayerFacts::of(&self.model, runtime.config.random_layers, &runtime.keeps)
    }
}

impl<M> PipelineModule<M> {
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn model(&self) -> &M {
        &self.model
    }

    /// Another model in the same pipeline.
    pub(crate) fn with_model(&self, model: M) -> Self {
        Self {
            model,
            runtime: self.runtime.clone(),
        }
    }

    pub(crate) fn map_model(self, map: impl FnOnce(M) -> M) -> Self {
        Self {
            model: map(self.model),
            runtime: self.runtime,
        }
    }
}

impl BatchShape {
    pub(crate) fn describe(&self, what: &str) -> PipelineError {
        PipelineError::Batch(match self {
            Self::NoTensor => format!(
                "{what} has no tensor, so there are no samples to split: give at least one tensor whose first dimension is the sample"
            ),
            Self::Disagree { first, other } => format!(
                "the tensors of {what} disagree on the number of samples: {first} in one and {other} in another; the first dimension of each must be the sample"
            ),
            Self::Sizes { first, other } => format!(
                "{what} cannot be joined: behind the first dimension, a tensor has the sizes {first:?} in one micro-batch and {other:?} in another; a layer must send the same sizes for every micro-batch"
            ),
            Self::Structure { first, other } => format!(
                "{what} differ in structure between micro-batches ({first} tensors in one, {other} in another, or of other kinds): a layer must send the same kinds of tensors for every micro-batch"
            ),
        })
    }
}

/// The number of samples of `signal`, which is not zero.
pub(crate) fn num_samples<S: Signal>(signal: &S, what: &str) -> Result<usize, PipelineError> {
    match batch_size(signal) {
        Ok(0) => Err(PipelineError::Batch(format!(
            "{what} has 0 samples, but at least 1 is needed: leave empty batches out"
        ))),
        Ok(num_samples) => Ok(num_samples),
        Err(shape) => Err(shape.describe(what)),
    }
}

pub(crate) fn join<S: Signal>(outputs: Vec<S>) -> Result<S, PipelineError> {
    concat(outputs).map_err(|shape| shape.describe("the outputs"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::split;

    #[rstest]
    #[case(8, 4, &[2, 2, 2, 2])]
    #[case(7, 4, &[1, 2, 2, 2])]
    #[case(3, 4, &[1, 1, 1])]
    #[case(1, 1, &[1])]
    #[case(0, 4, &[])]
    fn a_mini_batch_is_split_evenly_and_without_rest(
        #[case] num_samples: usize,
        #[case] num_micro_batches: usize,
        #[case] sizes: &[usize],
    ) {
        let parts = split(num_samples, num_micro_batches);
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            sizes
        );
        assert_eq!(parts.first().map_or(0, |part| part.start), 0);
        assert_eq!(parts.last().map_or(0, |part| part.end), num_samples);
    }
}
