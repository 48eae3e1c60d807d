//! Time and memory of an optimizer's step: Burn's on one thread beside the one on all stages.

use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use burn_pipeline::{DeviceError, PipelineConfig, PipelineModule, PipelineOptimizer, Placement};
use clap::Args;
use serde::Serialize;

use crate::devices::Devices;
use crate::measure::{median, pipeline_step, plain_step, ratio, seconds};
use crate::models::{self, Dense};
use crate::report::Report;
use crate::settle::wait_for_parameters;

/// The flags of `optimizer`.
#[derive(Args)]
pub struct Optimizer {
    /// Numbers of stages; 0 is Burn's optimizer on the plain model.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 2, 4])]
    stages: Vec<usize>,
    /// Layers of the stack.
    #[arg(long, default_value_t = 16)]
    layers: usize,
    /// Its width.
    #[arg(long, default_value_t = 1024)]
    width: usize,
}

/// One line of results. `stages` 0 is plain Burn.
#[derive(Serialize)]
struct Line {
    bench: &'static str,
    stages: usize,
    /// Of each stage, or of plain Burn.
    kernel_threads: usize,
    milliseconds: f64,
    /// The time of plain Burn with one thread by that of this contender, in the same repetition.
    speed_up: f64,
    /// How far live bytes rise during the step, in MiB; counted on the host only.
    peak_mib: Option<f64>,
    parameters_mib: f64,
}

const MIB: f64 = (1 << 20) as f64;
const NUM_SAMPLES: usize = 32;
const RATE: f64 = 1e-4;

/// A model with its optimizer; nothing while it is being stepped.
enum Subject {
    Plain(Option<Vec<Dense>>, ModuleOptimizer),
    Pipelined(Option<PipelineModule<Vec<Dense>>>, PipelineOptimizer),
}

struct Contender {
    subject: Subject,
    stages: usize,
    kernel_threads: usize,
    times: Vec<f64>,
    peaks: Vec<f64>,
}

impl Optimizer {
    /// Measure and report.
    ///
    /// # Errors
    ///
    /// When there are fewer devices than stages.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), DeviceError> {
        devices.check(&self.stages)?;
        report.conditions(&format!(
            "optimizer: a step of Adam on {} linear layers of width {}, gradients there before it; \
             contenders take turns. Peak of live bytes above what was there before the step.",
            self.layers, self.width
        ));
        let batch = models::batch([NUM_SAMPLES, self.width], devices.first());
        let mut contenders = self.contenders(devices);
        for repetition in 0..=report.repetitions() {
            for contender in &mut contenders {
                let grads = contender.gradients(&batch);
                let (time, peak) = devices.peak_on_host(|| contender.step(devices, grads));
                // The first round makes the states.
                if repetition > 0 {
                    contender.times.push(time);
                    contender.peaks.extend(peak);
                }
            }
        }

        let plain = contenders[0].times.clone();
        let parameters = 4 * self.layers * (self.width * self.width + self.width);
        for contender in &contenders {
            report.result(&Line {
                bench: "optimizer",
                stages: contender.stages,
                kernel_threads: contender.kernel_threads,
                milliseconds: 1e3 * median(&contender.times),
                speed_up: ratio(&plain, &contender.times),
                peak_mib: devices.on_host().then(|| median(&contender.peaks) / MIB),
                parameters_mib: parameters as f64 / MIB,
            });
        }
        Ok(())
    }

    fn contenders(&self, devices: &Devices) -> Vec<Contender> {
        let mut contenders = Vec::new();
        // Plain Burn on one thread is what the others are compared with, asked for or not.
        let others = self.stages.iter().filter(|stages| **stages != 0);
        for stages in [0].into_iter().chain(others.copied()) {
            let threads = if stages == 0 {
                devices.plain_threads()
            } else {
                vec![1]
            };
            for kernel_threads in threads {
                let model =
                    models::mlp(self.layers, self.width, &devices.first().clone().autodiff());
                let optimizer = AdamConfig::new().init();
                let subject = match stages {
                    0 => Subject::Plain(Some(model), optimizer),
                    _ => {
                        let placement = Placement::even(&devices.of(stages));
                        let pipeline = PipelineConfig::new()
                            .with_num_micro_batches(1)
                            .with_threads_per_stage(Some(kernel_threads))
                            .init(model, placement)
                            .expect("a benchmark's configuration is right");
                        Subject::Pipelined(Some(pipeline), PipelineOptimizer::new(optimizer))
                    }
                };
                contenders.push(Contender {
                    subject,
                    stages,
                    kernel_threads,
                    times: Vec::new(),
                    peaks: Vec::new(),
                });
            }
        }
        contenders
    }
}

impl Contender {
    fn gradients(&self, batch: &(Tensor<2>, Tensor<2>)) -> GradientsParams {
        match &self.subject {
            Subject::Plain(model, _) => plain_step(present(model), batch, 1).1,
            Subject::Pipelined(pipeline, _) => pipeline_step(present(pipeline), batch).1,
        }
    }

    fn step(&mut self, devices: &Devices, grads: GradientsParams) -> f64 {
        match &mut self.subject {
            Subject::Plain(model, optimizer) => {
                let whole = model.take().expect("a model that is not being stepped");
                let (stepped, time) = devices.with_threads(self.kernel_threads, || {
                    seconds(|| {
                        let stepped = optimizer.step(RATE, whole, grads);
                        wait_for_parameters(&stepped);
                        stepped
                    })
                });
                *model = Some(stepped);
                time
            }
            Subject::Pipelined(pipeline, optimizer) => {
                let whole = pipeline.take().expect("a model that is not being stepped");
                let (stepped, time) = seconds(|| {
                    let stepped = optimizer.step(RATE, whole, grads);
                    let stepped = stepped.expect("a benchmark's step succeeds");
                    wait_for_parameters(stepped.inner());
                    stepped
                });
                *pipeline = Some(stepped);
                time
            }
        }
    }
}

fn present<T>(subject: &Option<T>) -> &T {
    let present = subject.as_ref();
    present.expect("a model that is not being stepped")
}
