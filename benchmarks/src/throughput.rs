//! Samples per second of a pipeline beside plain Burn.

use burn::tensor::Tensor;
use burn_pipeline::{PipelineConfig, PipelineModule, Placement, Rematerialization, Sequential};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::measure::{device, median, pipeline_step, plain_step, ratio, seconds, with_threads};
use crate::models;
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
    samples_per_second: f64,
    speed_up: f64,
    of_bound: Option<f64>,
    loss: f32,
}

/// Samples in a mini-batch.
const NUM_SAMPLES: usize = 32;

impl Throughput {
    /// Measure and report.
    pub fn run(&self, report: &Report) {
        report.conditions(
            "throughput: one mini-batch, forward and backward, no optimizer; contenders take turns. \
             Speed-up over plain Burn with gradient accumulation over the same micro-batches on \
             one thread; of_bound is that speed-up divided by K*M/(M+K-1).",
        );
        for model in &self.models {
            let device = device();
            let tracked = device.clone().autodiff();
            match model {
                Model::Transformer => self.measure(
                    report,
                    *model,
                    &models::transformer(8, 256, &tracked),
                    &models::batch([NUM_SAMPLES, 32, 256], &device),
                ),
                Model::Mlp => self.measure(
                    report,
                    *model,
                    &models::mlp(16, 512, &tracked),
                    &models::batch([NUM_SAMPLES * 16, 512], &device),
                ),
                Model::Convolution => self.measure(
                    report,
                    *model,
                    &models::convolutions(8, 32, &tracked),
                    &models::batch([NUM_SAMPLES, 32, 16, 16], &device),
                ),
            }
        }
    }

    fn measure<const D: usize, M>(
        &self,
        report: &Report,
        name: Model,
        model: &M,
        batch: &(Tensor<D>, Tensor<D>),
    ) where
        M: Sequential<Input = Tensor<D>, Output = Tensor<D>> + Sync + 'static,
    {
        for &micro_batches in &self.micro_batches {
            let mut contenders = self.contenders(model, micro_batches);
            for repetition in 0..=report.repetitions() {
                for contender in &mut contenders {
                    let (loss, time) = contender.step(model, batch, micro_batches);
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
        model: &M,
        num_micro_batches: usize,
    ) -> Vec<Contender<M>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut contenders = vec![Contender::plain(1), Contender::plain(cores)];
        for &stages in &self.stages {
            for &mode in &self.rematerialization {
                let pipeline = PipelineConfig::new()
                    .with_num_micro_batches(num_micro_batches)
                    .with_rematerialization(mode)
                    .with_threads_per_stage(Some(1))
                    .init(model.clone(), Placement::even(&vec![device(); stages]))
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

    fn step<const D: usize>(
        &self,
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
            None => with_threads(self.kernel_threads, || {
                let ((loss, _), time) = seconds(|| plain_step(model, batch, num_micro_batches));
                (loss, time)
            }),
        }
    }
}
