//! One try: does a model train on servers with a limit each?

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{PipelineConfig, PipelineError, PipelineOptimizer, Placement};

use crate::measure::{mean_square, plain_step};
use crate::models::transformer;
use crate::servers::Server;
use crate::settle::wait_for_parameters;

/// Two steps: Adam's states are there from the end of the first one on.
const NUM_STEPS: usize = 2;
const RATE: f64 = 1e-4;
/// What the allocator says when it ends a process.
const OUT_OF_MEMORY: &str = "memory allocation of";

/// What is trained, and on how much.
pub struct Trainee<'a> {
    /// None trains the model as it is, the whole mini-batch at once.
    pub pipeline: Option<&'a PipelineConfig>,
    pub num_stages: usize,
    pub width: usize,
    pub batch: &'a (Tensor<3>, Tensor<3>),
    /// Bytes of data that each server may have.
    pub limit: u64,
    /// What servers serve, by name.
    pub device: &'a str,
}

impl Trainee<'_> {
    /// Start fresh servers and train a model of `num_blocks` blocks on them. False where one of
    /// them ran out of memory.
    ///
    /// # Errors
    ///
    /// When anything fails but a server for want of memory, a pipeline panics, or the loss is no
    /// number.
    pub fn trains(&self, num_blocks: usize) -> Result<bool, Box<dyn Error>> {
        let servers = (0..self.num_stages).map(|_| Server::start_within(self.limit, self.device));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let devices = servers.iter().map(|server| server.device(0));
        let devices = devices.collect::<Result<Vec<_>, _>>()?;

        let trained = match self.pipeline {
            None => quietly(|| self.plainly(num_blocks, &devices[0])),
            Some(config) => quietly(|| self.pipelined(num_blocks, config, &devices)),
        };
        let failure: Box<dyn Error> = match (trained, self.pipeline) {
            (Ok(Ok(loss)), _) if loss.is_finite() => return Ok(true),
            (Ok(Ok(loss)), _) => return Err(format!("the loss is {loss}").into()),
            (Ok(Err(error @ PipelineError::DeviceLost(_))), _) => error.into(),
            (Ok(Err(error)), _) => return Err(error.into()),
            // Plain Burn has no other way to tell.
            (Err(message), None) => message.into(),
            (Err(message), Some(_)) => {
                return Err(format!("the pipeline panicked: {message}").into());
            }
        };
        let mut words = String::new();
        for server in servers {
            words += &server.last_words()?;
        }
        match words.contains(OUT_OF_MEMORY) {
            true => Ok(false),
            false => Err(format!("{failure}; the servers said: {words}").into()),
        }
    }

    fn plainly(&self, num_blocks: usize, device: &Device) -> Result<f32, PipelineError> {
        let mut model = transformer(num_blocks, self.width, &device.clone().autodiff());
        let (input, target) = self.batch.clone();
        let batch = (input.to_device(device), target.to_device(device));
        let mut optimizer = AdamConfig::new().init();
        let mut last = f32::NAN;
        for _ in 0..NUM_STEPS {
            let (loss, grads) = plain_step(&model, &batch, 1);
            model = optimizer.step(RATE, model, grads);
            wait_for_parameters(&model);
            last = loss;
        }
        Ok(last)
    }

    fn pipelined(
        &self,
        num_blocks: usize,
        config: &PipelineConfig,
        devices: &[Device],
    ) -> Result<f32, PipelineError> {
        // Initialised where each stage puts it, and nowhere else.
        let model = transformer(num_blocks, self.width, &Device::flex().autodiff());
        let mut pipeline = config.init(model, Placement::even(devices))?;
        let mut optimizer: PipelineOptimizer = AdamConfig::new().init().into();
        let mut last = f32::NAN;
        for _ in 0..NUM_STEPS {
            let (input, target) = self.batch.clone();
            let step = pipeline.train_step(input, target, mean_square)?;
            let loss = step.loss.try_into_scalar();
            pipeline = optimizer.step(RATE, pipeline, step.grads)?;
            last = loss.unwrap_or(f32::NAN);
        }
        Ok(last)
    }
}

/// What comes of `work`, or the message of its panic. Nothing is printed of either.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(work));
    set_hook(hook);
    result.map_err(|panic| match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic
            .downcast::<&str>()
            .map_or("a panic".to_string(), |message| message.to_string()),
    })
}
