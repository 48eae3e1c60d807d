//! Bytes moved and time of a step of a U-Net, with skips and through the stages.

use burn_pipeline::{DeviceError, PipelineConfig, PipelineModule, Placement, Rematerialization};
use clap::Args;
use serde::Serialize;
use unet::{Batch, Route, UNet, UNetConfig, cross_entropy};

use crate::devices::Devices;
use crate::measure::{median, seconds};
use crate::models;
use crate::report::Report;
use crate::settle::wait_for_gradients;

/// The flags of `skips`.
#[derive(Args)]
pub struct Skips {
    /// Numbers of stages.
    #[arg(long, value_delimiter = ',', default_values_t = [2, 3, 4, 5, 6, 7, 8])]
    stages: Vec<usize>,
    /// The number of micro-batches.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=NUM_SAMPLES as u64))]
    micro_batches: u64,
    /// Which micro-batches are recomputed.
    #[arg(long, default_value_t = Rematerialization::Never)]
    rematerialization: Rematerialization,
    /// Channels of the U-Net at full size.
    #[arg(long, default_value_t = 8)]
    width: usize,
    /// How often it halves the size of 64: it has twice as many layers, and two.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=6))]
    depth: u64,
}

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    stages: usize,
    micro_batches: usize,
    rematerialization: String,
    route: &'static str,
    /// What all stages received in a step.
    received_bytes: u64,
    /// What the shapes say.
    closed_form_bytes: u64,
    /// Beside the same pipeline with skips.
    relative_bytes: f64,
    step_milliseconds: f64,
    /// Beside the step with skips of the same repetition; the median of these ratios.
    relative_time: f64,
    /// Of the last step.
    loss: f64,
}

const NUM_SAMPLES: usize = 8;
const SIZE: usize = 64;
const ROUTES: [(Route, &str); 2] = [
    (Route::Skip, "skips"),
    (Route::ThroughStages, "through stages"),
];

/// One of the two routes, and its steps.
struct Contender {
    config: UNetConfig,
    pipeline: PipelineModule<UNet>,
    times: Vec<f64>,
    received_bytes: u64,
    loss: f64,
}

impl Skips {
    /// Measure and report.
    ///
    /// # Errors
    ///
    /// When there are fewer devices than stages.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), DeviceError> {
        devices.check(&self.stages)?;
        report.conditions(&format!(
            "skips: a U-Net of {} layers and {} channels, {NUM_SAMPLES} samples of {SIZE} x {SIZE}, \
             one kernel thread per stage.",
            2 * self.depth + 2,
            self.width
        ));
        let (images, noise) = models::batch([NUM_SAMPLES, 1, SIZE, SIZE], devices.first());
        let masks = noise.greater_scalar(0.0).int();
        let batch = Batch { images, masks };

        for &stages in &self.stages {
            let mut contenders = ROUTES.map(|(route, _)| self.contender(devices, stages, route));
            for contender in &mut contenders {
                contender.step(&batch);
                contender.times.clear();
            }
            for _ in 0..report.repetitions() {
                for contender in &mut contenders {
                    contender.step(&batch);
                }
            }
            let [skips, _] = &contenders;
            for (contender, (_, route)) in contenders.iter().zip(ROUTES) {
                let ratios: Vec<_> = contender
                    .times
                    .iter()
                    .zip(&skips.times)
                    .map(|(time, skips)| time / skips)
                    .collect();
                report.result(&Line {
                    bench: "skips",
                    stages,
                    micro_batches: self.micro_batches as usize,
                    rematerialization: self.rematerialization.to_string(),
                    route,
                    received_bytes: contender.received_bytes,
                    closed_form_bytes: contender.config.bytes_received(
                        contender.pipeline.partition(),
                        NUM_SAMPLES,
                        SIZE,
                    ),
                    relative_bytes: contender.received_bytes as f64 / skips.received_bytes as f64,
                    step_milliseconds: 1e3 * median(&contender.times),
                    relative_time: median(&ratios),
                    loss: contender.loss,
                });
            }
        }
        Ok(())
    }

    /// The same weights by every route and on every number of stages.
    fn contender(&self, devices: &Devices, stages: usize, route: Route) -> Contender {
        let device = devices.first();
        device.seed(0);
        let config = UNetConfig::new(self.width, self.depth as usize).with_route(route);
        let pipeline = PipelineConfig::new()
            .with_num_micro_batches(self.micro_batches as usize)
            .with_rematerialization(self.rematerialization)
            .with_threads_per_stage(Some(1))
            .init(config.init(device), Placement::even(&devices.of(stages)))
            .expect("a benchmark's configuration is right");
        Contender {
            config,
            pipeline,
            times: Vec::new(),
            received_bytes: 0,
            loss: f64::NAN,
        }
    }
}

impl Contender {
    fn step(&mut self, batch: &Batch) {
        let Batch { images, masks } = batch.clone();
        let ((bytes, loss), time) = seconds(|| {
            let step = self
                .pipeline
                .train_step(images.into(), masks, cross_entropy)
                .expect("a benchmark's step succeeds");
            wait_for_gradients(self.pipeline.inner(), &step.grads);
            let bytes = step.bytes_received.iter().sum();
            (bytes, step.loss.into_scalar::<f32>())
        });
        self.received_bytes = bytes;
        self.loss = f64::from(loss);
        self.times.push(time);
    }
}
