//! A model in training, in parts.

use std::time::Instant;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::Device;
use burn_pipeline::{BytesMoved, Configuration, Layer, shard};

use crate::progress::Progress;
use crate::{AlexNet, Args, Error};

/// What came of training under one plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The loss of each step, in nats per picture.
    pub losses: Vec<f32>,
    /// The middle of the times that steps took, in seconds.
    pub seconds_per_step: f64,
    /// What all steps moved between devices.
    pub bytes: BytesMoved,
}

impl Outcome {
    /// Bytes that one step moves between devices: everything, from the pictures to the output, both
    /// ways.
    pub fn bytes_per_step(&self) -> u64 {
        self.bytes.total() / self.losses.len().max(1) as u64
    }
}

/// Train a copy of `model` with its layers split over `devices` as `configurations` say. It computes
/// what the whole model would.
///
/// # Errors
///
/// When a layer cannot be split so, or training diverges.
pub fn train(
    args: &Args,
    model: &AlexNet,
    configurations: &[Configuration],
    devices: &[Device],
) -> Result<Outcome, Error> {
    let mut model = shard(model.clone(), configurations, devices)?;
    let mut optimizer = AdamConfig::new().init();
    let first = devices[0].clone().autodiff();
    let loss = CrossEntropyLossConfig::new().init(&first);
    let progress = Progress::new(args.steps, args.batch_size);
    let (mut losses, mut seconds) = (Vec::new(), Vec::new());
    for index in 0..args.steps {
        let batch = args.pictures().batch(index, args.batch_size, &first);
        let start = Instant::now();
        let step = loss.forward(model.forward(batch.images), batch.classes);
        let value = step.clone().try_into_scalar::<f32>()?;
        if !value.is_finite() {
            return Err(Error::Options(format!(
                "the loss is {value} in step {index}, so training has diverged: lower --learning-rate {}",
                args.learning_rate
            )));
        }
        let gradients = GradientsParams::from_grads(step.backward(), &model);
        model = optimizer.step(args.learning_rate, model, gradients);
        seconds.push(start.elapsed().as_secs_f64());
        losses.push(value);
        progress.step(value);
    }
    progress.finish();
    seconds.sort_by(f64::total_cmp);
    Ok(Outcome {
        seconds_per_step: seconds[seconds.len() / 2],
        bytes: model.bytes_moved(),
        losses,
    })
}
