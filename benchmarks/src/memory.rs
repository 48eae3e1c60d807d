//! Peak of live bytes of each rematerialization beside its closed form.

use burn::module::Module;
use burn_pipeline::{PipelineConfig, Placement, Rematerialization, Sequential};
use clap::Args;
use serde::Serialize;

use crate::ALLOCATOR;
use crate::measure::{device, mean_square, pipeline_step, plain_step, with_threads};
use crate::models;
use crate::report::Report;

/// The flags of `memory`.
#[derive(Args)]
pub struct Memory {
    /// Numbers of micro-batches.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 8, 16])]
    micro_batches: Vec<usize>,
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
    /// How far live bytes rise during a step, in MiB.
    peak_mib: f64,
    /// What the closed form says.
    closed_form_mib: f64,
    measured_over_closed_form: f64,
    /// Parameters, which are there before the step and not in the peak.
    parameters_mib: f64,
}

const NUM_SAMPLES: usize = 16;
const SEQUENCE: usize = 64;
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
    pub fn run(&self, report: &Report) {
        report.conditions(&format!(
            "memory: a Transformer of {} layers and width {}, {NUM_SAMPLES} samples of {SEQUENCE} positions. \
             Peak of live bytes above what was there before the step, of all stages together.",
            self.layers, self.width
        ));
        let device = device();
        let model = models::transformer(self.layers, self.width, &device.clone().autodiff());
        let batch = models::batch([NUM_SAMPLES, SEQUENCE, self.width], &device);
        let sizes = with_threads(1, || self.sizes(&model));

        for &micro_batches in &self.micro_batches {
            let samples = NUM_SAMPLES as f64 / micro_batches as f64;
            for (stages, mode) in contenders() {
                let peak = match mode {
                    None => with_threads(1, || {
                        peak(report, || {
                            plain_step(&model, &batch, micro_batches);
                        })
                    }),
                    Some(mode) => {
                        let pipeline = PipelineConfig::new()
                            .with_num_micro_batches(micro_batches)
                            .with_rematerialization(mode)
                            .with_threads_per_stage(Some(1))
                            .init(
                                model.clone(),
                                Placement::even(&vec![device.clone(); stages]),
                            )
                            .expect("a benchmark's configuration is right");
                        peak(report, || {
                            pipeline_step(&pipeline, &batch);
                        })
                    }
                };
                let closed_form =
                    sizes.closed_form(stages.max(1) as f64, micro_batches as f64, samples, mode);
                report.result(&Line {
                    bench: "memory",
                    stages,
                    micro_batches,
                    rematerialization: mode.map_or("plain".to_string(), |mode| mode.to_string()),
                    peak_mib: peak / MIB,
                    closed_form_mib: closed_form / MIB,
                    measured_over_closed_form: peak / closed_form,
                    parameters_mib: sizes.parameters / MIB,
                });
            }
        }
    }

    /// Measure what the closed form needs on a forward pass of one sample.
    fn sizes(&self, model: &Vec<models::Block>) -> Sizes {
        let device = device();
        let (input, target) = models::batch([1, SEQUENCE, self.width], &device);
        let forward = || {
            let output = model.forward_layers(input.clone().autodiff());
            mean_square(output, target.clone().autodiff())
        };
        forward().backward();

        let before = ALLOCATOR.current_usage();
        let loss = forward();
        let activations = ALLOCATOR.current_usage() - before;
        loss.backward();
        Sizes {
            parameters: (4 * model.num_params()) as f64,
            activations: activations as f64,
            boundary: (4 * SEQUENCE * self.width) as f64,
        }
    }
}

fn contenders() -> Vec<(usize, Option<Rematerialization>)> {
    let modes = [
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always,
    ];
    let pipelines = [1, 2].map(|stages| modes.map(|mode| (stages, Some(mode))));
    std::iter::once((0, None))
        .chain(pipelines.into_iter().flatten())
        .collect()
}

/// The middle of the peaks of several steps, in bytes, after one that warms up.
fn peak(report: &Report, step: impl Fn()) -> f64 {
    step();
    let peaks: Vec<_> = (0..report.repetitions())
        .map(|_| {
            let before = ALLOCATOR.current_usage();
            ALLOCATOR.reset_peak_usage();
            step();
            (ALLOCATOR.peak_usage() - before) as f64
        })
        .collect();
    crate::measure::median(&peaks)
}
