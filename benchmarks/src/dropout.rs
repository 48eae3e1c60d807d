//! Dropout by counters beside the dropout of `burn::nn`: alone, and in a pipeline.

use burn::module::{Module, ModuleDisplay};
use burn::nn::DropoutConfig as StockConfig;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    DeviceError, DropoutConfig, Layer, PipelineConfig, PipelineModule, Placement, RankFree,
    Rematerialization, with_random_step,
};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::devices::Devices;
use crate::measure::{median, pipeline_step, ratio, seconds};
use crate::models::{self, Block};
use crate::report::Report;
use crate::settle::wait_for;

/// The flags of `dropout`.
#[derive(Args)]
pub struct Dropout {
    /// Who computes the masks: the host, or the device by tensor operations.
    #[arg(long, default_value = "host")]
    path: Path,
    /// Numbers of samples of the layer alone, each of 128 positions of width 256.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32])]
    samples: Vec<usize>,
    /// Numbers of micro-batches of the pipeline.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 8])]
    micro_batches: Vec<usize>,
    /// Numbers of stages of the pipeline.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    stages: Vec<usize>,
    /// The probability.
    #[arg(long, default_value_t = 0.1)]
    prob: f64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Path {
    Host,
    Device,
}

/// One line of results. `stages` 0 is the layer alone.
#[derive(Serialize)]
struct Line {
    bench: &'static str,
    dropout: &'static str,
    stages: usize,
    micro_batches: usize,
    samples: usize,
    milliseconds: f64,
    of_stock: f64,
    of_without: Option<f64>,
}

/// Samples in a mini-batch of the pipeline.
const NUM_SAMPLES: usize = 32;

impl Dropout {
    /// Measure and report.
    ///
    /// # Errors
    ///
    /// When there are fewer devices than stages.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), DeviceError> {
        devices.check(&self.stages)?;
        burn_pipeline::__private::draw_on_device(self.path == Path::Device);
        report.conditions(
            "dropout: forward and backward of the layer alone (0 stages), and of a mini-batch of 8 \
             Transformer blocks of width 128, each with a dropout behind it; contenders take turns. \
             of_stock and of_without: time over that with Burn's dropout, and over that without any.",
        );
        for &samples in &self.samples {
            self.alone(report, devices, samples);
        }
        for &stages in &self.stages {
            for &micro_batches in &self.micro_batches {
                self.pipelined(report, &devices.of(stages), micro_batches);
            }
        }
        Ok(())
    }

    fn alone(&self, report: &Report, devices: &Devices, samples: usize) {
        let shape = [samples, 128, 256];
        let (input, gradient) = models::batch(shape, devices.first());
        let run = |dropout: &dyn Fn(Tensor<3>) -> Tensor<3>| {
            let input = input.clone().autodiff().require_grad();
            let output = with_random_step(0, 0, 0..samples, || dropout(input.clone()));
            let gradients = (output * gradient.clone()).sum().backward();
            wait_for(input.grad(&gradients).expect("the input trains"));
        };
        let stock = StockConfig::new(self.prob).init();
        let counted = DropoutConfig::new(self.prob).init();
        let mut times = Times::default();
        for repetition in 0..=report.repetitions() {
            let without = seconds(|| run(&|input| input)).1;
            let stock = seconds(|| run(&|input| stock.forward(input))).1;
            let counted = seconds(|| run(&|input| counted.forward(input))).1;
            times.add(repetition, [without, stock, counted]);
        }
        times.report(report, 0, 0, samples);
    }

    fn pipelined(&self, report: &Report, devices: &[Device], micro_batches: usize) {
        let blocks = models::transformer(8, 128, &devices[0]);
        let without = pipeline(blocks.clone(), devices, micro_batches);
        let with = StockConfig::new(self.prob).init();
        let stock = pipeline(behind(&blocks, &with), devices, micro_batches);
        let with = DropoutConfig::new(self.prob).init();
        let counted = pipeline(behind(&blocks, &with), devices, micro_batches);

        let batch = models::batch([NUM_SAMPLES, 32, 128], &devices[0]);
        let mut times = Times::default();
        for repetition in 0..=report.repetitions() {
            let without = seconds(|| pipeline_step(&without, &batch)).1;
            let stock = seconds(|| pipeline_step(&stock, &batch)).1;
            let counted = seconds(|| pipeline_step(&counted, &batch)).1;
            times.add(repetition, [without, stock, counted]);
        }
        times.report(report, devices.len(), micro_batches, NUM_SAMPLES);
    }
}

/// Seconds of each repetition: without dropout, with Burn's, with ours.
#[derive(Default)]
struct Times([Vec<f64>; 3]);

impl Times {
    fn add(&mut self, repetition: usize, times: [f64; 3]) {
        // The first round warms up.
        if repetition > 0 {
            for (all, time) in self.0.iter_mut().zip(times) {
                all.push(time);
            }
        }
    }

    fn report(&self, report: &Report, stages: usize, micro_batches: usize, samples: usize) {
        let [without, stock, _] = &self.0;
        for (dropout, times) in ["without", "stock", "counted"].into_iter().zip(&self.0) {
            report.result(&Line {
                bench: "dropout",
                dropout,
                stages,
                micro_batches,
                samples,
                milliseconds: median(times) * 1e3,
                of_stock: ratio(times, stock),
                // Alone, there is nothing to compare with.
                of_without: (stages > 0).then(|| ratio(times, without)),
            });
        }
    }
}

/// A Transformer block with a dropout behind it.
#[derive(Module, Debug)]
struct Dropped<M: Module> {
    block: Block,
    dropout: M,
}

impl<M: RankFree + ModuleDisplay> Layer for Dropped<M> {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.dropout.forward_ranked(self.block.forward(input))
    }
}

fn behind<M: RankFree + ModuleDisplay>(blocks: &[Block], dropout: &M) -> Vec<Dropped<M>> {
    let dropped = |block: &Block| Dropped {
        block: block.clone(),
        dropout: dropout.clone(),
    };
    blocks.iter().map(dropped).collect()
}

fn pipeline<L>(
    model: Vec<L>,
    devices: &[Device],
    num_micro_batches: usize,
) -> PipelineModule<Vec<L>>
where
    L: Layer<Input = Tensor<3>, Output = Tensor<3>> + 'static,
{
    PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_rematerialization(Rematerialization::Never)
        .with_threads_per_stage(Some(1))
        .init(model, Placement::even(devices))
        .expect("a benchmark's configuration is right")
}
