//! A model in training: the pipeline, its optimizer, and the learning rate.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{PipelineModule, PipelineOptimizer, Placement, StepOutput, open_devices};

use crate::batches::{Batch, training_batches};
use crate::model::Gpt;
use crate::{Args, Error, Text};

/// A model in training.
pub struct Training {
    /// The model, across its stages.
    pub pipeline: PipelineModule<Gpt>,
    /// The optimizer, with what it remembers of every parameter.
    pub optimizer: PipelineOptimizer,
    /// The learning rates of the steps to come.
    pub rates: ModuleLrScheduler,
}

impl Training {
    /// A new model, placed and initialised: the same for every number of stages and every schedule.
    /// Each stage draws its weights on its own device, so another backend draws others.
    ///
    /// # Errors
    ///
    /// When the devices, the learning rate, the placement or the schedule are not as they must be.
    pub fn new(args: &Args) -> Result<Self, Error> {
        let placement = placement(args)?;
        let devices = placement.devices().to_vec();
        // Each backend draws from a generator of its own. The first stage's is seeded last, so that
        // it gets the seed itself where others share it.
        for (stage, device) in devices.iter().enumerate().rev() {
            device.seed(args.seed.wrapping_add(stage as u64));
        }
        let model = args.model().init(&devices[0]);
        let pipeline = args.pipeline().init(model, placement)?;
        Ok(Self {
            pipeline,
            optimizer: optimizer().into(),
            rates: rates(args)?,
        })
    }

    /// Go on after `num_steps` steps: the learning rate, and the random numbers of dropout.
    pub fn skip(&mut self, num_steps: u64) {
        self.pipeline.set_num_steps(num_steps);
        for _ in 0..num_steps {
            self.rates.step();
        }
    }

    /// The mini-batches of the steps that are left.
    pub fn batches(&self, text: &Text, args: &Args) -> Arc<dyn DataLoader<Batch>> {
        let num_done = self.pipeline.num_steps() as usize;
        training_batches(
            text.training(),
            args.context,
            args.batch_size,
            args.seed,
            args.steps,
            &self.first_device(),
        )
        .slice(num_done * args.batch_size, args.steps * args.batch_size)
    }

    /// The loss and the gradients of a mini-batch.
    ///
    /// # Errors
    ///
    /// When a stage fails.
    pub fn gradients(&self, batch: Batch) -> Result<StepOutput<Tensor<3>>, Error> {
        let step = self
            .pipeline
            .train_step(batch.inputs, batch.targets, cross_entropy)?;
        Ok(step)
    }

    /// The model after the next step of the optimizer, on all stages at once.
    ///
    /// # Errors
    ///
    /// When a stage fails.
    pub fn update(mut self, gradients: GradientsParams) -> Result<Self, Error> {
        let rate = self.rates.step();
        self.pipeline = self.optimizer.step(rate, self.pipeline, gradients)?;
        Ok(self)
    }

    /// The device that mini-batches enter at.
    pub fn first_device(&self) -> Device {
        self.pipeline.stage_devices().swap_remove(0)
    }
}

/// The cuts and the devices: those of the plan, or as even as can be.
fn placement(args: &Args) -> Result<Placement, Error> {
    let Some(plan) = &args.planning.plan else {
        let devices = open_devices(&args.devices, args.num_stages())?;
        return Ok(Placement::even(&devices));
    };
    // One name serves every device that the plan was made for.
    let num_devices = match args.devices.split(',').count() {
        1 => 1 + plan.devices().iter().max().copied().unwrap_or_default(),
        num_named => num_named,
    };
    let devices = open_devices(&args.devices, num_devices)?;
    Ok(Placement::of_plan(plan, &devices)?)
}

/// The mean loss of predicting each next byte, in nats: of logits `[num_samples, length, 256]` and
/// targets `[num_samples, length]`.
pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
    CrossEntropyLossConfig::new()
        .init(&logits.device())
        .forward(logits.flatten(0, 1), targets.flatten(0, 1))
}

/// What updates the parameters, before its first step.
pub fn optimizer() -> ModuleOptimizer {
    AdamWConfig::new()
        .with_beta_2(0.99)
        .with_weight_decay(0.01)
        .init()
}

/// Up for a tenth of the steps, then down a cosine to a tenth of the highest rate.
fn rates(args: &Args) -> Result<ModuleLrScheduler, Error> {
    let highest = args.learning_rate;
    let warm_up = (args.steps / 10).max(1);
    let rest = (args.steps - warm_up).max(1);
    let up = LinearLrSchedulerConfig::new(highest / warm_up as f64, highest, warm_up);
    let down = CosineAnnealingLrSchedulerConfig::new(highest, rest).with_min_lr(highest / 10.0);
    SequentialLrSchedulerConfig::new(vec![up.into(), down.into()], vec![warm_up])
        .init()
        .map_err(|reason| Error::Options(format!("--learning-rate {highest}: {reason}")))
}
