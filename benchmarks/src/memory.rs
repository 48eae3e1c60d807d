//! Peak of live bytes of each rematerialization beside its closed form.

use burn::module::Module;
use burn_pipeline::{DeviceError, PipelineConfig, Placement, Rematerialization, Sequential};
use clap::Args;
use serde::Serialize;

use crate::devices::Devices;
use crate::measure::{mean_square, median, pipeline_step, plain_step};
use crate::models;
use crate::numbers::Numbers;
use crate::report::Report;

/// The flags of `memory`.
#[derive(Args)]
pub struct Memory {
    /// Numbers of micro-batches.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 8, 16])]
    micro_batches: Vec<usize>,
    /// Numbers of stages; 0 is plain Burn.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 2])]
    stages: Vec<usize>,
    /// Rematerializations.
    #[arg(long, value_delimiter = ',', default_values_t = [Rematerialization::Never, Rematerialization::ExceptLast, Rematerialization::Always])]
    rematerialization: Vec<Rematerialization>,
    /// What the stages compute in; plain Burn computes in full precision.
    #[arg(long, value_enum, default_value_t = Numbers::Full)]
    precision: Numbers,
    /// Samples in a mini-batch.
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    /// Positions in a sample.
    #[arg(long, default_value_t = 64)]
    length: usize,
    /// Layers of the Transformer.
    #[arg(long, default_value_t = 8)]
    layers: usize,
    /// Its width.
    #[arg(long, default_value_t = 128)]
    width: usize,
}

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    stages: usize,
    micro_batches: usize,
    rematerialization: String,
    precision: Numbers,
    /// How far live bytes rise during a step, in MiB; nothing where a device does not say.
    peak_mib: Option<f64>,
    /// What the closed form says, in full precision.
    closed_form_mib: Option<f64>,
    measured_over_closed_form: Option<f64>,
    /// Parameters, which are there before the step and not in the peak.
    parameters_mib: f64,
}

const MIB: f64 = (1 << 20) as f64;

/// What the closed form is made of, in bytes.
struct Sizes {
    parameters: f64,
    /// What all layers keep for the backward pass, per sample.
    activations: f64,
    /// The signal at a cut, per sample.
    boundary: f64,
}

impl Sizes {
    /// Bytes of a step of `k` stages and `m` micro-batches of `samples` samples each: gradients of
    /// the parameters twice over (the sum, and what is added to it), the mini-batch, and per stage
    /// the boundaries and activations of what is in flight.
    fn closed_form(&self, k: f64, m: f64, samples: f64, mode: Option<Rematerialization>) -> f64 {
        let activations = self.activations * samples;
        let boundary = self.boundary * samples;
        let batch = 2.0 * m * boundary;
        // Each stage holds 1/k of the layers; together they hold all of them once per micro-batch.
        let in_flight = match mode {
            None => activations,
            Some(Rematerialization::Never) => m * activations,
            Some(_) => activations + k * m * boundary,
        };
        batch + in_flight + self.parameters * (1.0 + 1.0 / k)
    }
}

impl Memory {
    /// Measure and report.
    ///
    /// # Errors
    ///
    /// When there are fewer devices than stages.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), DeviceError> {
        devices.check(&self.stages)?;
        report.conditions(&format!(
            "memory: a Transformer of {} layers and width {}, {} samples of {} positions. \
             Peak of live bytes above what was there before the step, of all stages together.",
            self.layers, self.width, self.batch_size, self.length
        ));
        let device = devices.first();
        let model = models::transformer(self.layers, self.width, &device.clone().autodiff());
        let batch = models::batch([self.batch_size, self.length, self.width], device);
        let sizes = devices.with_threads(1, || self.sizes(devices, &model));

        for &micro_batches in &self.micro_batches {
            let samples = self.batch_size as f64 / micro_batches as f64;
            for (stages, mode) in self.contenders() {
                let peak = match mode {
                    None => devices.with_threads(1, || {
                        peak(report, devices, || {
                            plain_step(&model, &batch, micro_batches);
                        })
                    }),
                    Some(mode) => {
                        let pipeline = PipelineConfig::new()
                            .with_num_micro_batches(micro_batches)
                            .with_rematerialization(mode)
                            .with_precision(self.precision.into())
                            .with_threads_per_stage(Some(1))
                            .init(model.clone(), Placement::even(&devices.of(stages)))
                            .expect("a benchmark's configuration is right");
                        peak(report, devices, || {
                            pipeline_step(&pipeline, &batch);
                        })
                    }
                };
                let precision = match mode {
                    Some(_) => self.precision,
                    None => Numbers::Full,
                };
                let (k, m) = (stages.max(1) as f64, micro_batches as f64);
                let closed_form = sizes
                    .as_ref()
                    .filter(|_| precision == Numbers::Full)
                    .map(|sizes| sizes.closed_form(k, m, samples, mode));
                report.result(&Line {
                    bench: "memory",
                    stages,
                    micro_batches,
                    rematerialization: mode.map_or("plain".to_string(), |mode| mode.to_string()),
                    precision,
                    peak_mib: peak.map(|peak| peak / MIB),
                    closed_form_mib: closed_form.map(|bytes| bytes / MIB),
                    measured_over_closed_form: peak.zip(closed_form).map(|(a, b)| a / b),
                    parameters_mib: 4.0 * model.num_params() as f64 / MIB,
                });
            }
        }
        Ok(())
    }

    /// Measure what the closed form needs on a forward pass of one sample.
    fn sizes(&self, devices: &Devices, model: &Vec<models::Block>) -> Option<Sizes> {
        let (input, target) = models::batch([1, self.length, self.width], devices.first());
        let forward = || {
            let output = model.forward_layers(input.clone().autodiff());
            mean_square(output, target.clone().autodiff())
        };
        forward().backward();

        let before = devices.live_bytes()?;
        let loss = forward();
        let activations = devices.live_bytes()?.saturating_sub(before);
        loss.backward();
        Some(Sizes {
            parameters: (4 * model.num_params()) as f64,
            activations: activations as f64,
            boundary: (4 * self.length * self.width) as f64,
        })
    }

    /// Plain Burn, and every rematerialization on every number of stages.
    fn contenders(&self) -> Vec<(usize, Option<Rematerialization>)> {
        let modes = |&stages| match stages {
            0 => vec![(0, None)],
            _ => {
                let modes = self.rematerialization.iter();
                modes.map(|mode| (stages, Some(*mode))).collect()
            }
        };
        self.stages.iter().flat_map(modes).collect()
    }
}

/// The middle of the peaks of several steps, in bytes, after one that warms up.
fn peak(report: &Report, devices: &Devices, step: impl Fn()) -> Option<f64> {
    devices.clean_up();
    step();
    let peaks: Option<Vec<_>> = (0..report.repetitions())
        .map(|_| devices.peak_bytes(&step))
        .collect();
    Some(median(&peaks?))
}
