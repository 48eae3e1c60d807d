//! Samples per second of a pipeline beside plain Burn.

use burn::tensor::Tensor;
use burn_pipeline::{
    DeviceError, PipelineConfig, PipelineModule, Placement, Rematerialization, Sequential,
};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::devices::Devices;
use crate::measure::{median, pipeline_step, plain_step, ratio, seconds};
use crate::models;
use crate::numbers::Numbers;
use crate::report::Report;

/// The flags of `throughput`.
#[derive(Args)]
pub struct Throughput {
    /// Which stacks to run.
    #[arg(long, value_delimiter = ',', default_values_t = [Model::Transformer, Model::Mlp, Model::Convolution])]
    models: Vec<Model>,
    /// Numbers of micro-batches.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 8, 16, 32])]
    micro_batches: Vec<usize>,
    /// Numbers of stages.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    stages: Vec<usize>,
    /// Rematerializations.
    #[arg(long, value_delimiter = ',', default_values_t = [Rematerialization::Never, Rematerialization::ExceptLast, Rematerialization::Always])]
    rematerialization: Vec<Rematerialization>,
    /// What the stages compute in; plain Burn computes in full precision.
    #[arg(long, value_enum, default_value_t = Numbers::Full)]
    precision: Numbers,
    /// Layers of each stack, instead of its own number.
    #[arg(long)]
    layers: Option<usize>,
    /// Width of each stack, or its channels, instead of its own.
    #[arg(long)]
    width: Option<usize>,
    /// Samples in a mini-batch; the stack of linear layers has 16 times as many.
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Positions in a sample of the Transformer.
    #[arg(long, default_value_t = 32)]
    length: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    Transformer,
    Mlp,
    Convolution,
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Transformer => "transformer",
            Self::Mlp => "mlp",
            Self::Convolution => "convolution",
        })
    }
}

/// One line of results. `stages` 0 is plain Burn.
#[derive(Serialize)]
struct Line {
    bench: &'static str,
    model: String,
    stages: usize,
    kernel_threads: usize,
    micro_batches: usize,
    rematerialization: String,
    precision: Numbers,
    samples_per_second: f64,
    speed_up: f64,
    of_bound: Option<f64>,
    loss: f32,
}

impl Throughput {
    /// Measure and report.
    ///
    /// # Errors
    ///
    /// When there are fewer devices than stages.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), DeviceError> {
        devices.check(&self.stages)?;
        report.conditions(
            "throughput: one mini-batch, forward and backward, no optimizer; contenders take turns. \
             Speed-up over plain Burn with gradient accumulation over the same micro-batches on \
             one thread; of_bound is that speed-up divided by K*M/(M+K-1).",
        );
        for model in &self.models {
            let device = devices.first();
            let tracked = device.clone().autodiff();
            let layers = |own| self.layers.unwrap_or(own);
            let width = |own| self.width.unwrap_or(own);
            let samples = self.batch_size;
            match model {
                Model::Transformer => self.measure(
                    report,
                    devices,
                    *model,
                    &models::transformer(layers(8), width(256), &tracked),
                    &models::batch([samples, self.length, width(256)], device),
                ),
                Model::Mlp => self.measure(
                    report,
                    devices,
                    *model,
                    &models::mlp(layers(16), width(512), &tracked),
                    &models::batch([samples * 16, width(512)], device),
                ),
                Model::Convolution => self.measure(
                    report,
                    devices,
                    *model,
                    &models::convolutions(layers(8), width(32), &tracked),
                    &models::batch([samples, width(32), 16, 16], device),
                ),
            }
        }
        Ok(())
    }

    fn measure<const D: usize, M>(
        &self,
        report: &Report,
        devices: &Devices,
        name: Model,
        model: &M,
        batch: &(Tensor<D>, Tensor<D>),
    ) where
        M: Sequential<Input = Tensor<D>, Output = Tensor<D>> + Sync + 'static,
    {
        for &micro_batches in &self.micro_batches {
            devices.clean_up();
            let mut contenders = self.contenders(devices, model, micro_batches);
            for repetition in 0..=report.repetitions() {
                for contender in &mut contenders {
                    let (loss, time) = contender.step(devices, model, batch, micro_batches);
                    contender.loss = loss;
                    // The first round warms up.
                    if repetition > 0 {
                        contender.times.push(time);
                    }
                }
            }

            let plain = contenders[0].times.clone();
            for contender in &contenders {
                let stages = contender.num_stages();
                let speed_up = ratio(&plain, &contender.times);
                let (k, m) = (stages as f64, micro_batches as f64);
                let bound = k * m / (m + k - 1.0);
                report.result(&Line {
                    bench: "throughput",
                    model: name.to_string(),
                    stages,
                    kernel_threads: contender.kernel_threads,
                    micro_batches,
                    rematerialization: contender.rematerialization(),
                    precision: contender.precision(self.precision),
                    samples_per_second: batch.0.dims()[0] as f64 / median(&contender.times),
                    speed_up,
                    of_bound: (stages > 0).then_some(speed_up / bound),
                    loss: contender.loss,
                });
            }
        }
    }

    /// Plain Burn first, with one thread and with all; then every pipeline.
    fn contenders<M: Sequential + 'static>(
        &self,
        devices: &Devices,
        model: &M,
        num_micro_batches: usize,
    ) -> Vec<Contender<M>> {
        let plain = devices.plain_threads().into_iter().map(Contender::plain);
        let mut contenders: Vec<_> = plain.collect();
        for &stages in &self.stages {
            for &mode in &self.rematerialization {
                let pipeline = PipelineConfig::new()
                    .with_num_micro_batches(num_micro_batches)
                    .with_rematerialization(mode)
                    .with_precision(self.precision.into())
                    .with_threads_per_stage(Some(1))
                    .init(model.clone(), Placement::even(&devices.of(stages)))
                    .expect("a benchmark's configuration is right");
                contenders.push(Contender {
                    pipeline: Some((pipeline, mode)),
                    ..Contender::plain(1)
                });
            }
        }
        contenders
    }
}

struct Contender<M> {
    pipeline: Option<(PipelineModule<M>, Rematerialization)>,
    kernel_threads: usize,
    times: Vec<f64>,
    loss: f32,
}

impl<M: Sequential + 'static> Contender<M> {
    fn plain(kernel_threads: usize) -> Self {
        Self {
            pipeline: None,
            kernel_threads,
            times: Vec::new(),
            loss: f32::NAN,
        }
    }

    fn num_stages(&self) -> usize {
        let pipeline = self.pipeline.as_ref();
        pipeline.map_or(0, |(pipeline, _)| pipeline.partition().num_stages())
    }

    fn rematerialization(&self) -> String {
        match &self.pipeline {
            Some((_, mode)) => mode.to_string(),
            None => "plain".to_string(),
        }
    }

    fn precision(&self, of_stages: Numbers) -> Numbers {
        match self.pipeline {
            Some(_) => of_stages,
            None => Numbers::Full,
        }
    }

    fn step<const D: usize>(
        &self,
        devices: &Devices,
        model: &M,
        batch: &(Tensor<D>, Tensor<D>),
        num_micro_batches: usize,
    ) -> (f32, f64)
    where
        M: Sequential<Input = Tensor<D>, Output = Tensor<D>> + Sync,
    {
        match &self.pipeline {
            Some((pipeline, _)) => {
                let ((loss, _), time) = seconds(|| pipeline_step(pipeline, batch));
                (loss, time)
            }
            None => devices.with_threads(self.kernel_threads, || {
                let ((loss, _), time) = seconds(|| plain_step(model, batch, num_micro_batches));
                (loss, time)
            }),
        }
    }
}
