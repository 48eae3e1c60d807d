//! What clipping by the norm of all gradients adds to a step.

use burn_pipeline::{DeviceError, PipelineConfig, Placement, clip_gradients_by_norm};
use clap::Args;
use serde::Serialize;

use crate::devices::Devices;
use crate::measure::{median, pipeline_step, seconds};
use crate::models;
use crate::report::Report;
use crate::settle::wait_for_gradients;

/// The flags of `clipping`.
#[derive(Args)]
pub struct Clipping {
    /// Numbers of stages.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    stages: Vec<usize>,
    /// Layers of the Transformer.
    #[arg(long, default_value_t = 8)]
    layers: usize,
    /// Its width.
    #[arg(long, default_value_t = 256)]
    width: usize,
}

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    stages: usize,
    step_milliseconds: f64,
    clipping_milliseconds: f64,
    /// Clipping by the step and clipping together.
    share: f64,
    norm: f64,
}

const NUM_SAMPLES: usize = 32;
const SEQUENCE: usize = 32;
/// So small that gradients are scaled at every step.
const MAX_NORM: f64 = 1e-3;

impl Clipping {
    /// Measure and report.
    ///
    /// # Errors
    ///
    /// When there are fewer devices than stages.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), DeviceError> {
        devices.check(&self.stages)?;
        report.conditions(&format!(
            "clipping: a step of {NUM_SAMPLES} samples of {SEQUENCE} positions of a Transformer of {} layers and \
             width {} by 4 micro-batches, forward and backward, and then the clipping of its gradients.",
            self.layers, self.width
        ));
        let device = devices.first();
        let model = models::transformer(self.layers, self.width, &device.clone().autodiff());
        let batch = models::batch([NUM_SAMPLES, SEQUENCE, self.width], device);
        for &stages in &self.stages {
            let pipeline = PipelineConfig::new()
                .with_num_micro_batches(4)
                .with_threads_per_stage(Some(1))
                .init(model.clone(), Placement::even(&devices.of(stages)))
                .expect("a benchmark's configuration is right");
            let (mut steps, mut clippings, mut norm) = (Vec::new(), Vec::new(), 0.0);
            for repetition in 0..=report.repetitions() {
                let ((_, mut grads), step) = seconds(|| pipeline_step(&pipeline, &batch));
                let clipping = seconds(|| {
                    let norm = clip_gradients_by_norm(&pipeline, &mut grads, MAX_NORM);
                    wait_for_gradients(pipeline.inner(), &grads);
                    norm
                });
                norm = clipping.0;
                // The first round warms up.
                if repetition > 0 {
                    steps.push(step);
                    clippings.push(clipping.1);
                }
            }
            let (step, clipping) = (median(&steps), median(&clippings));
            report.result(&Line {
                bench: "clipping",
                stages,
                step_milliseconds: 1e3 * step,
                clipping_milliseconds: 1e3 * clipping,
                share: clipping / (step + clipping),
                norm,
            });
        }
        Ok(())
    }
}
