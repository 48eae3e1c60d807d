use std::ops::Range;

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn_pipeline_plan::{Schedule, Timeline};

use super::base::{PipelineModule, join, num_samples};
use super::gathered::GatheredLoss;
use super::loss::{MicroLoss, MicroResults, weigh};
use crate::PipelineError;
use crate::engine::{LossEnd, train};
use crate::layer::Sequential;
use crate::rematerialize::LayerFacts;
use crate::signal::{AnySignal, BatchShape, Signal, batch_size, flush, narrow, plain};

/// How the losses of micro-batches make the loss of their mini-batch.
pub enum Reduction<T> {
    /// The loss is a mean over samples: each micro-batch counts by its share of the samples.
    Mean,
    /// The loss is a sum over samples: they add up.
    Sum,
    /// The loss is a sum, and the mini-batch's is that sum divided by the sum of the weights that
    /// this function gives to the targets: for a mean over tokens that count, the function counts
    /// them and the loss sums over them. It runs on the calling thread, before the step starts.
    Weighted(Box<dyn Fn(&T) -> f64>),
}

impl<T> Reduction<T> {
    /// [`Reduction::Weighted`] by `weight`.
    pub fn weighted(weight: impl Fn(&T) -> f64 + 'static) -> Self {
        Self::Weighted(Box::new(weight))
    }
}

/// A training step with choices, made by [`PipelineModule::prepare_step`].
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Distribution, Tensor};
/// # use burn_pipeline::{PipelineConfig, Placement, Reduction, Ranked, ranked};
/// # let device = Device::default();
/// # let layer = || -> Ranked<Linear, 2> { ranked(LinearConfig::new(4, 4).init(&device)) };
/// # let placement = Placement::even(&[device.clone(), device.clone()]);
/// # let pipeline = PipelineConfig::new().init((layer(), layer()), placement)?;
/// # let input = Tensor::<2>::random([8, 4], Distribution::Default, &device);
/// # let target = input.clone();
/// let step = pipeline
///     .prepare_step(input, target)
///     .with_reduction(Reduction::Sum)
///     .with_outputs()
///     .run(|output, target| (output - target).powi_scalar(2).sum())?;
/// assert_eq!(step.outputs.expect("asked for").dims(), [8, 4]);
/// # Ok::<_, burn_pipeline::PipelineError>(())
/// ```
pub struct TrainStep<'a, M: Sequential, T> {
    pipeline: &'a PipelineModule<M>,
    input: M::Input,
    target: T,
    reduction: Reduction<T>,
    loss_scale: f64,
    outputs: bool,
}

/// What a training step returns.
pub struct StepOutput<O> {
    /// The loss of the mini-batch, shape `[1]`, on the device of the last stage, without autodiff.
    pub loss: Tensor<1>,
    /// The gradients of the mini-batch, each on the device of its parameter: for
    /// [`ModuleOptimizer::step`](burn::optim::ModuleOptimizer::step) on the pipeline.
    pub grads: GradientsParams,
    /// What each stage ran from when to when. On a device that runs asynchronously it is the
    /// worker's side: when work was handed to the device.
    pub timeline: Timeline,
    /// The model's outputs for the mini-batch, on the device of the last stage and without
    /// autodiff, when asked for. What is in a [`Skip`](crate::Skip) among them may still be where it
    /// was made.
    pub outputs: Option<O>,
    /// How many micro-batches there were.
    pub num_micro_batches: usize,
    /// What each stage received from the parts of the model beside its own, in bytes: boundaries,
    /// their gradients, and skips that its layers asked for. Between two parts on one device a
    /// hand-over moves nothing, and counts all the same.
    pub bytes_received: Vec<u64>,
}

impl<'a, M: Sequential + 'static, T: Signal> TrainStep<'a, M, T> {
    pub(crate) fn new(pipeline: &'a PipelineModule<M>, input: M::Input, target: T) -> Self {
        Self {
            pipeline,
            input,
            target,
            reduction: Reduction::Mean,
            loss_scale: 1.0,
            outputs: false,
        }
    }

    /// Add the losses of micro-batches up in another way than as means over samples.
    pub fn with_reduction(mut self, reduction: Reduction<T>) -> Self {
        self.reduction = reduction;
        self
    }

    /// Multiply the loss by `scale` before it is run backward, and so the gradients. The loss that
    /// is reported stays as it is. It is `1 / n` when the gradients of `n` steps are accumulated to
    /// those of one mini-batch, and a [`LossScaler`](crate::LossScaler)'s in half precision.
    pub fn with_loss_scale(mut self, scale: f64) -> Self {
        self.loss_scale = scale;
        self
    }

    /// Return the model's outputs too.
    pub fn with_outputs(mut self) -> Self {
        self.outputs = true;
        self
    }

    /// Take the step: see [`PipelineModule::train_step`].
    ///
    /// # Errors
    ///
    /// As for [`PipelineModule::train_step`]; and when the weights of the targets do not add up to
    /// a positive number.
    pub fn run(
        self,
        loss: impl Fn(M::Output, T) -> Tensor<1> + Send + Sync + 'static,
    ) -> Result<StepOutput<M::Output>, PipelineError> {
        let Self {
            pipeline,
            input,
            target,
            reduction,
            loss_scale,
            outputs,
        } = self;
        let prepared = Prepared::new(pipeline, input, target)?;
        let targets: Vec<T> = prepared
            .parts
            .iter()
            .map(|part| narrow(&prepared.target, part.clone()))
            .collect();
        let weights = weigh(&reduction, &prepared.parts, &targets)?;
        let runtime = pipeline.runtime();
        let schedule = runtime.training_schedule(prepared.parts.len())?;
        let device = runtime.last_device().clone();
        let (end, results) = MicroLoss::new(loss, targets, weights, loss_scale, device, outputs);
        pipeline.take_step(prepared, &schedule, Box::new(end), results)
    }

    /// Take the step with a loss that needs the whole mini-batch: one that compares samples with
    /// each other, as contrastive losses do.
    ///
    /// The outputs of all micro-batches are gathered on the last stage, where `loss` sees them and
    /// the whole target once; its gradients go back by micro-batches. It may be any number: the
    /// [`Reduction`] has no say. Every micro-batch must be through the last part before any runs
    /// backward there: a schedule that does not do that gives way for this step to GPipe, or
    /// breadth-first where there are chunks, with their memory. The outputs of the mini-batch are
    /// whole on the last stage, and so is what `loss` computes from them.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig, loss::CrossEntropyLossConfig};
    /// # use burn::tensor::{Device, Distribution, Int, Tensor};
    /// # use burn_pipeline::{PipelineConfig, Placement, Ranked, ranked};
    /// # let device = Device::default();
    /// # let layer = || -> Ranked<Linear, 2> { ranked(LinearConfig::new(4, 4).init(&device)) };
    /// # let placement = Placement::even(&[device.clone(), device.clone()]);
    /// # let pipeline = PipelineConfig::new().init((layer(), layer()), placement)?;
    /// # let images = Tensor::<2>::random([8, 4], Distribution::Default, &device);
    /// # let captions = images.clone();
    /// // Each image is to be nearer to its own caption than to any other of the mini-batch.
    /// let step = pipeline.prepare_step(images, captions).run_gathered(|images, captions| {
    ///     let similarity = images.matmul(captions.transpose());
    ///     let device = similarity.device();
    ///     let own = Tensor::<1, Int>::arange(0..similarity.dims()[0] as i64, &device);
    ///     CrossEntropyLossConfig::new().init(&device).forward(similarity, own)
    /// })?;
    /// # Ok::<_, burn_pipeline::PipelineError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`PipelineModule::train_step`]; when the outputs of micro-batches cannot be joined,
    /// or a schedule of the user's own runs anything backward on the last part too early.
    pub fn run_gathered(
        self,
        loss: impl Fn(M::Output, T) -> Tensor<1> + Send + Sync + 'static,
    ) -> Result<StepOutput<M::Output>, PipelineError> {
        let Self {
            pipeline,
            input,
            target,
            loss_scale,
            outputs,
            ..
        } = self;
        let prepared = Prepared::new(pipeline, input, target)?;
        let num_micro_batches = prepared.parts.len();
        let runtime = pipeline.runtime();
        let schedule = runtime.training_schedule(num_micro_batches)?;
        let schedule = runtime.config().gathering(&schedule)?;
        let device = runtime.last_device().clone();
        let target = prepared.target.clone();
        let (end, results) =
            GatheredLoss::new(loss, target, loss_scale, num_micro_batches, device, outputs);
        pipeline.take_step(prepared, &schedule, Box::new(end), results)
    }
}

/// A mini-batch that is ready to go.
struct Prepared<T> {
    facts: Vec<LayerFacts>,
    parts: Vec<Range<usize>>,
    inputs: Vec<AnySignal>,
    target: T,
}

impl<T: Signal> Prepared<T> {
    fn new<M: Sequential + 'static>(
        pipeline: &PipelineModule<M>,
        input: M::Input,
        target: T,
    ) -> Result<Self, PipelineError> {
        let facts = pipeline.facts();
        if !facts.iter().any(|facts| facts.trainable) {
            return Err(PipelineError::Configuration(format!(
                "none of the model's {} layers has a parameter that requires a gradient, so there \
                 is nothing to train: call `train()` on a pipeline made with `valid()`, or \
                 unfreeze a layer",
                facts.len()
            )));
        }

        let num_samples = samples_of(&input, &target)?;
        let parts = pipeline.runtime().micro_batches(num_samples);
        flush(&input);
        flush(&target);
        let input = plain(input);
        let inputs = parts.iter().map(|part| narrow(&input, part.clone()));
        Ok(Self {
            facts,
            inputs: inputs.map(AnySignal::new).collect(),
            target: plain(target),
            parts,
        })
    }
}

impl<M: Sequential + 'static> PipelineModule<M> {
    fn take_step<T>(
        &self,
        prepared: Prepared<T>,
        schedule: &Schedule,
        end: Box<dyn LossEnd>,
        results: MicroResults<M::Output>,
    ) -> Result<StepOutput<M::Output>, PipelineError> {
        let Prepared {
            facts,
            parts,
            inputs,
            target,
        } = prepared;
        drop(target);
        let num_micro_batches = parts.len();
        let runtime = self.runtime();
        let workers = runtime.workers()?;
        let step = runtime.step(&workers, schedule, facts, parts);
        let result = train(&step, self.model(), inputs, end)?;

        if result.gradients.is_empty() {
            return Err(PipelineError::Batch(format!(
                "the losses of all {num_micro_batches} micro-batches depend on no parameter that trains: compute the loss from the model's outputs, without `detach()` or `into_data()`",
            )));
        }
        let (loss, outputs) = results.collect();
        let outputs = outputs.map(join).transpose()?;
        runtime.commit(self.model(), result.statistics);
        Ok(StepOutput {
            loss,
            grads: result.gradients,
            timeline: result.timeline,
            outputs,
            num_micro_batches,
            bytes_received: result.bytes_received,
        })
    }
}

/// The number of samples that input and target agree on.
pub(crate) fn samples_of<I: Signal, T: Signal>(
    input: &I,
    target: &T,
) -> Result<usize, PipelineError> {
    let of_input = num_samples(input, "the input")?;
    let of_target = match batch_size(target) {
        Ok(of_target) => of_target,
        // A loss without a target takes `()`.
        Err(BatchShape::NoTensor) => of_input,
        Err(shape) => return Err(shape.describe("the target")),
    };
    match of_input == of_target {
        true => Ok(of_input),
        false => Err(PipelineError::Batch(format!(
            "the input has {of_input} samples but the target has {of_target}: give one target per sample"
        ))),
    }
}
