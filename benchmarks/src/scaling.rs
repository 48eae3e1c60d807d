//! Time per micro-batch as their number grows.

use burn_pipeline::{DeviceError, PipelineConfig, Placement, Rematerialization};
use clap::Args;
use serde::Serialize;

use crate::devices::Devices;
use crate::measure::{median, pipeline_step, plain_step, seconds};
use crate::models;
use crate::report::Report;

/// The flags of `scaling`.
#[derive(Args)]
pub struct Scaling {
    /// Numbers of micro-batches.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 8, 16, 32, 64, 128])]
    micro_batches: Vec<usize>,
    /// Numbers of stages; 0 is plain Burn.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 2])]
    stages: Vec<usize>,
    /// Layers of the Transformer.
    #[arg(long, default_value_t = 8)]
    layers: usize,
    /// Its width.
    #[arg(long, default_value_t = 64)]
    width: usize,
}

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    stages: usize,
    micro_batches: usize,
    rematerialization: String,
    milliseconds_per_micro_batch: f64,
    /// Beside the first number of micro-batches; the bubble is taken out of both.
    relative: f64,
}

const SAMPLES_PER_MICRO_BATCH: usize = 2;

impl Scaling {
    /// Measure and report.
    ///
    /// # Errors
    ///
    /// When there are fewer devices than stages.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), DeviceError> {
        devices.check(&self.stages)?;
        report.conditions(&format!(
            "scaling: {SAMPLES_PER_MICRO_BATCH} samples per micro-batch of a Transformer of {} layers and width {}. \
             Milliseconds per slot: a step's time divided by M+K-1.",
            self.layers, self.width
        ));
        let device = devices.first();
        let model = models::transformer(self.layers, self.width, &device.clone().autodiff());

        for &stages in &self.stages {
            let modes = match stages {
                0 => vec![None],
                _ => vec![
                    Some(Rematerialization::Never),
                    Some(Rematerialization::ExceptLast),
                    Some(Rematerialization::Always),
                ],
            };
            for mode in modes {
                let mut first = None;
                for &micro_batches in &self.micro_batches {
                    let shape = [SAMPLES_PER_MICRO_BATCH * micro_batches, 32, self.width];
                    let batch = models::batch(shape, device);
                    let pipeline = mode.map(|mode| {
                        PipelineConfig::new()
                            .with_num_micro_batches(micro_batches)
                            .with_rematerialization(mode)
                            .with_threads_per_stage(Some(1))
                            .init(model.clone(), Placement::even(&devices.of(stages)))
                            .expect("a benchmark's configuration is right")
                    });
                    let step = || match &pipeline {
                        Some(pipeline) => seconds(|| pipeline_step(pipeline, &batch)).1,
                        None => devices.with_threads(1, || {
                            seconds(|| plain_step(&model, &batch, micro_batches)).1
                        }),
                    };
                    step();
                    let times: Vec<_> = (0..report.repetitions()).map(|_| step()).collect();
                    let slots = (micro_batches + stages.max(1) - 1) as f64;
                    let milliseconds = 1e3 * median(&times) / slots;
                    let first = *first.get_or_insert(milliseconds);
                    report.result(&Line {
                        bench: "scaling",
                        stages,
                        micro_batches,
                        rematerialization: mode
                            .map_or("plain".to_string(), |mode| mode.to_string()),
                        milliseconds_per_micro_batch: milliseconds,
                        relative: milliseconds / first,
                    });
                }
            }
        }
        Ok(())
    }
}
