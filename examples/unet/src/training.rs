//! A model in training: the pipeline and its optimizer.

use burn::nn::loss::BinaryCrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{PipelineConfig, PipelineModule, Placement, StepOutput, open_devices};

use crate::batches::Batch;
use crate::model::UNet;
use crate::{Args, Error};

/// A model in training.
pub struct Training {
    /// The model, across its stages.
    pub pipeline: PipelineModule<UNet>,
    /// The optimizer, with what it remembers of every parameter.
    pub optimizer: ModuleOptimizer,
    learning_rate: f64,
}

impl Training {
    /// A new model, placed and initialised: the same for every number of stages and both routes.
    /// Each stage draws its weights on its own device, so another backend draws others.
    ///
    /// # Errors
    ///
    /// When the devices, the placement or the schedule are not as they must be.
    pub fn new(args: &Args) -> Result<Self, Error> {
        let devices = open_devices(&args.devices, args.stages)?;
        let Some(first) = devices.first() else {
            return Err(Error::Options(
                "--stages is 0, but must be at least 1".to_string(),
            ));
        };
        // Each backend draws from a generator of its own. The first stage's is seeded last, so that
        // it gets the seed itself where others share it.
        for (stage, device) in devices.iter().enumerate().rev() {
            device.seed(args.seed.wrapping_add(stage as u64));
        }
        let pipeline = PipelineConfig::new()
            .with_num_micro_batches(args.micro_batches)
            .with_schedule(args.schedule.clone())
            .with_rematerialization(args.rematerialization)
            .with_threads_per_stage(Some(args.threads_per_stage()))
            .init(args.model().init(first), Placement::even(&devices))?;
        Ok(Self {
            pipeline,
            optimizer: AdamConfig::new().init(),
            learning_rate: args.learning_rate,
        })
    }

    /// The loss and the gradients of a mini-batch.
    ///
    /// # Errors
    ///
    /// When a stage fails.
    pub fn gradients(&self, batch: Batch) -> Result<StepOutput<Tensor<4>>, Error> {
        let step = self
            .pipeline
            .train_step(batch.images.into(), batch.masks, cross_entropy)?;
        Ok(step)
    }

    /// The model after the next step of the optimizer.
    pub fn update(mut self, gradients: GradientsParams) -> Self {
        self.pipeline = self
            .optimizer
            .step(self.learning_rate, self.pipeline, gradients);
        self
    }

    /// The device that mini-batches enter at.
    pub fn first_device(&self) -> Device {
        self.pipeline.stage_devices().swap_remove(0)
    }
}

/// The mean over pixels of the cross entropy of logits and masks of one shape, in nats.
pub fn cross_entropy(logits: Tensor<4>, masks: Tensor<4, Int>) -> Tensor<1> {
    BinaryCrossEntropyLossConfig::new()
        .with_logits(true)
        .init(&logits.device())
        .forward(logits, masks)
}
