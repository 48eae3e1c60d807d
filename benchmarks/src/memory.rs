//! Peak of live bytes of each rematerialization beside its closed form.

use std::error::Error;

use burn::module::Module;
use burn_pipeline::{PipelineConfig, Placement, Rematerialization, Sequential};
use clap::Args;
use clap::builder::ArgPredicate::IsPresent;
use serde::Serialize;

use crate::devices::Devices;
#[cfg(feature = "remote")]
use crate::limits::Limits;
use crate::measure::{mean_square, median, pipeline_step, plain_step};
use crate::models;
use crate::numbers::Numbers;
use crate::report::Report;

/// The flags of `memory`.
#[derive(Args)]
pub struct Memory {
    /// Find the largest model that trains instead, where each device is a process with at most so
    /// many MiB of data. Its defaults are those in brackets below.
    #[arg(long, value_name = "MIB", conflicts_with_all = ["precision", "layers"])]
    per_device_limit: Option<u64>,
    /// Numbers of micro-batches (default: 8).
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,4,8,16",
        default_value_if("per_device_limit", IsPresent, "8")
    )]
    micro_batches: Vec<usize>,
    /// Numbers of stages; 0 is plain Burn (default: 0,1,2,4,8).
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0,1,2",
        default_value_if("per_device_limit", IsPresent, "0,1,2,4,8")
    )]
    stages: Vec<usize>,
    /// Rematerializations (default: always).
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "never,except-last,always",
        default_value_if("per_device_limit", IsPresent, "always")
    )]
    rematerialization: Vec<Rematerialization>,
    /// What the stages compute in; plain Burn computes in full precision.
    #[arg(long, value_enum, default_value_t = Numbers::Full)]
    precision: Numbers,
    /// Samples in a mini-batch (default: 32).
    #[arg(
        long,
        default_value_t = 16,
        default_value_if("per_device_limit", IsPresent, "32")
    )]
    batch_size: usize,
    /// Positions in a sample (default: 32).
    #[arg(
        long,
        default_value_t = 64,
        default_value_if("per_device_limit", IsPresent, "32")
    )]
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

/// What closed forms are made of, in bytes.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub parameters: f64,
    /// What all layers keep for the backward pass, per sample.
    pub activations: f64,
    /// The signal at a cut, per sample.
    pub boundary: f64,
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
    /// When there are fewer devices than stages, or a limit cannot be set.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), Box<dyn Error>> {
        if let Some(mib) = self.per_device_limit {
            return self.within(mib, report, devices);
        }
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

    /// Find the largest model under a limit.
    #[cfg(feature = "remote")]
    fn within(&self, mib: u64, report: &Report, devices: &Devices) -> Result<(), Box<dyn Error>> {
        let here = Devices::open("flex")?;
        let block = models::transformer(1, self.width, &here.first().clone().autodiff());
        let sizes = here.with_threads(1, || self.sizes(&here, &block));
        let sizes = sizes.expect("the allocator counts what is alive on the CPU");
        let limits = Limits {
            mib,
            batch_size: self.batch_size,
            length: self.length,
            width: self.width,
            device: devices.names().to_string(),
        };
        let contenders = self.contenders().into_iter().flat_map(|(stages, mode)| {
            let all = match mode {
                None => &[1],
                Some(_) => self.micro_batches.as_slice(),
            };
            all.iter()
                .map(move |micro_batches| (stages, *micro_batches, mode))
        });
        limits.run(report, &sizes, &contenders.collect::<Vec<_>>())
    }

    #[cfg(not(feature = "remote"))]
    fn within(&self, _mib: u64, _: &Report, _: &Devices) -> Result<(), Box<dyn Error>> {
        Err("`--per-device-limit` runs each device in a process of its own: build with the feature `remote` of burn-pipeline-benchmarks".into())
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        memory: Memory,
    }

    #[test]
    fn a_limit_has_defaults_of_its_own() {
        let memory = Command::parse_from(["memory"]).memory;
        assert_eq!(memory.stages, [0, 1, 2]);
        assert_eq!(memory.length, 64);
        let memory = Command::parse_from(["memory", "--per-device-limit", "96"]).memory;
        assert_eq!(memory.stages, [0, 1, 2, 4, 8]);
        assert_eq!(memory.length, 32);
        let memory = Command::parse_from(["memory", "--per-device-limit", "96", "--stages", "2"]);
        assert_eq!(memory.memory.stages, [2]);
    }
}
