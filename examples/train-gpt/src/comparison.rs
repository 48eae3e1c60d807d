//! The same training without a pipeline, and how far the two differ.

use std::fmt;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorReadError};
use burn_pipeline::{Sequential, StepOutput, with_random_step};

use crate::Error;
use crate::batches::Batch;
use crate::model::Gpt;
use crate::training::{Training, cross_entropy, optimizer};

/// The plain model: the same weights, whole on one device, trained by Burn alone on mini-batches
/// that are not split.
pub struct Comparison {
    model: Gpt,
    optimizer: ModuleOptimizer,
    rates: ModuleLrScheduler,
    device: Device,
    seed: u64,
    first_step: u64,
    num_steps: usize,
    loss: f64,
    first_gradient: Difference,
    gradient: Difference,
}

/// How far apart two gradients of a parameter are: the largest difference of two entries, relative
/// to the largest entry.
#[derive(Debug, Clone, Default)]
struct Difference {
    relative: f64,
    path: String,
}

impl Comparison {
    /// Begin where `training` is, with the same `seed`.
    ///
    /// # Errors
    ///
    /// When the states of the optimizer cannot be read.
    pub fn new(training: &Training, seed: u64) -> Result<Self, Error> {
        let device = training.first_device().autodiff();
        Ok(Self {
            model: training.pipeline.inner().clone().fork(&device).tied(),
            optimizer: optimizer().load_record(training.optimizer.to_record()?),
            rates: training.rates.clone(),
            device,
            seed,
            first_step: training.pipeline.num_steps(),
            num_steps: 0,
            loss: 0.0,
            first_gradient: Difference::default(),
            gradient: Difference::default(),
        })
    }

    /// Take the step that the pipeline has computed, and compare.
    ///
    /// # Errors
    ///
    /// When a result cannot be read.
    pub fn step(mut self, batch: Batch, step: &StepOutput<Tensor<3>>) -> Result<Self, Error> {
        let inputs = batch.inputs.to_device(&self.device).autodiff();
        let targets = batch.targets.to_device(&self.device).autodiff();
        let [num_samples, _] = targets.dims();
        let num_steps = self.first_step + self.num_steps as u64;
        let logits = with_random_step(self.seed, num_steps, 0..num_samples, || {
            self.model.forward_layers(inputs)
        });
        let loss = cross_entropy(logits, targets);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);

        let plain_loss = loss.without_autodiff().try_into_scalar::<f32>()?;
        let loss = step.loss.clone().try_into_scalar::<f32>()?;
        self.loss = self.loss.max(distance(loss - plain_loss));
        let gradient = largest_difference(&self.model, &gradients, &step.grads)?;
        if self.num_steps == 0 {
            self.first_gradient = gradient.clone();
        }
        if gradient.relative > self.gradient.relative {
            self.gradient = gradient;
        }
        self.num_steps += 1;

        let rate = self.rates.step();
        self.model = self.optimizer.step(rate, self.model, gradients).tied();
        Ok(self)
    }

    /// The largest difference of the losses of a step, in nats per byte.
    pub fn loss_difference(&self) -> f64 {
        self.loss
    }

    /// The largest difference of two entries of a gradient, relative to the largest entry of that
    /// gradient: over all parameters and steps.
    pub fn gradient_difference(&self) -> f64 {
        self.gradient.relative
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            num_steps,
            loss,
            first_gradient,
            gradient,
            ..
        } = self;
        write!(
            f,
            "compared with the plain model over {num_steps} steps: losses differ by {loss:.1e} at most,\n\
             gradients in the first step by {first_gradient},\n\
             gradients in any step by {gradient}"
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.relative {
            0.0 => f.write_str("nothing"),
            _ => write!(
                f,
                "{:.1e} of the largest entry of `{}`",
                self.relative, self.path
            ),
        }
    }
}

fn largest_difference(
    model: &Gpt,
    plain: &GradientsParams,
    pipelined: &GradientsParams,
) -> Result<Difference, TensorReadError> {
    let mut compare = Compare {
        plain,
        pipelined,
        path: Vec::new(),
        largest: Ok(Difference::default()),
    };
    model.visit(&mut compare);
    compare.largest
}

struct Compare<'a> {
    plain: &'a GradientsParams,
    pipelined: &'a GradientsParams,
    path: Vec<String>,
    largest: Result<Difference, TensorReadError>,
}

impl Compare<'_> {
    fn difference<const D: usize>(&self, param: &Param<Tensor<D>>) -> Result<f64, TensorReadError> {
        let gradients = [self.plain, self.pipelined].map(|it| it.get::<D>(param.id));
        let [Some(plain), Some(pipelined)] = gradients else {
            return Ok(f64::INFINITY);
        };
        let pipelined = pipelined.to_device(&plain.device());
        let scale = plain.clone().abs().max().try_into_scalar::<f32>()?;
        let difference = (plain - pipelined).abs().max().try_into_scalar::<f32>()?;
        Ok(match difference {
            0.0 => 0.0,
            _ => distance(difference / scale),
        })
    }
}

/// Numbers that cannot be compared are as far apart as can be.
fn distance(difference: f32) -> f64 {
    match difference.is_nan() {
        true => f64::INFINITY,
        false => f64::from(difference.abs()),
    }
}

impl ModuleVisitor for Compare<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Ok(largest) = &self.largest else { return };
        match self.difference(param) {
            Ok(relative) if relative > largest.relative => {
                let path = self.path.join(".");
                self.largest = Ok(Difference { relative, path });
            }
            Ok(_) => {}
            Err(error) => self.largest = Err(error),
        }
    }
}
