//! Time and peak memory of each schedule beside what its simulation says.

use std::time::Instant;

use burn::tensor::Tensor;
use burn_pipeline::{
    Costs, DeviceError, PipelineConfig, PipelineModule, Placement, Rematerialization, Schedule,
    ScheduleKind, Sequential, Simulation, Span, Timeline, simulate,
};
use clap::Args;
use serde::Serialize;

use crate::devices::Devices;
use crate::measure::{mean_square, median, seconds};
use crate::models;
use crate::report::Report;
use crate::settle::wait_for_gradients;

/// The flags of `schedules`.
#[derive(Args)]
pub struct Schedules {
    /// Which schedules.
    #[arg(long, value_delimiter = ',', default_values_t = [
        ScheduleKind::GPipe,
        ScheduleKind::OneForwardOneBackward,
        ScheduleKind::Interleaved { num_chunks: 2 },
        ScheduleKind::BreadthFirst { num_chunks: 2 },
    ])]
    schedules: Vec<ScheduleKind>,
    /// Numbers of micro-batches.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 8, 16, 32],
        value_parser = clap::value_parser!(u64).range(1..=NUM_SAMPLES as u64))]
    micro_batches: Vec<u64>,
    /// Which rematerializations.
    #[arg(long, value_delimiter = ',', default_values_t = [Rematerialization::Never, Rematerialization::ExceptLast])]
    rematerialization: Vec<Rematerialization>,
    /// How many micro-batches a stage may recompute ahead of their turn.
    #[arg(long, default_value_t = 0)]
    recompute_ahead: usize,
    /// The number of stages.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    stages: u64,
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
    schedule: String,
    rematerialization: String,
    stages: usize,
    micro_batches: usize,
    /// The makespan under what instructions took in the steps right before and after.
    simulated_seconds: f64,
    /// The makespan of the step between them.
    measured_seconds: f64,
    /// The median of these ratios.
    measured_over_simulated: f64,
    simulated_bubble: f64,
    measured_bubble: f64,
    /// A whole step, from the call until it returns.
    step_seconds: f64,
    /// What the simulation says that stages keep for their backward passes, the sum of their peaks,
    /// in MiB; nothing where a device does not say what a micro-batch takes.
    simulated_peak_mib: Option<f64>,
    /// How far live bytes rise during a step, all stages together, in MiB; counted on the host
    /// only.
    peak_mib: Option<f64>,
    /// The most micro-batches in flight, summed over stages and chunks.
    in_flight: usize,
    /// What taking the times and making the timeline costs, by the time of a step.
    timeline_share: f64,
}

const NUM_SAMPLES: usize = 32;
const SEQUENCE: usize = 64;
const MIB: f64 = (1 << 20) as f64;

type Batch = (Tensor<3>, Tensor<3>);
type Pipeline = PipelineModule<Vec<models::Block>>;

impl Schedules {
    /// Measure and report.
    ///
    /// # Errors
    ///
    /// When there are fewer devices than stages.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), DeviceError> {
        devices.check(&[self.stages as usize])?;
        report.conditions(&format!(
            "schedules: a Transformer of {} layers and width {}, {NUM_SAMPLES} samples of {SEQUENCE} positions, \
             one kernel thread per stage. Every other step is measured, and simulated under the costs of the steps right before and after it.",
            self.layers, self.width
        ));
        let device = devices.first();
        let model = models::transformer(self.layers, self.width, &device.clone().autodiff());
        let batch = models::batch([NUM_SAMPLES, SEQUENCE, self.width], device);
        let stages = self.stages as usize;

        for &micro_batches in &self.micro_batches {
            let micro_batches = micro_batches as usize;
            for kind in &self.schedules {
                for &rematerialization in &self.rematerialization {
                    let config = PipelineConfig::new()
                        .with_num_micro_batches(micro_batches)
                        .with_schedule(kind.clone())
                        .with_rematerialization(rematerialization)
                        .with_num_recomputed_ahead(self.recompute_ahead)
                        .with_threads_per_stage(Some(1));
                    let schedule = config
                        .training_schedule(stages, micro_batches)
                        .expect("a benchmark's schedule exists");
                    let placement = Placement::even(&devices.of(stages));
                    let pipeline = config
                        .init(model.clone(), placement)
                        .expect("a benchmark's configuration is right");
                    report.result(&Line {
                        schedule: kind.to_string(),
                        rematerialization: rematerialization.to_string(),
                        ..measure(report, devices, &pipeline, &schedule, &batch)
                    });
                }
            }
        }
        Ok(())
    }
}

/// The bytes of a boundary and of what a part keeps of one micro-batch.
fn sizes(
    devices: &Devices,
    pipeline: &Pipeline,
    schedule: &Schedule,
    batch: &Batch,
) -> Option<(u64, u64)> {
    let num_micro_batches = schedule.num_micro_batches();
    let samples = NUM_SAMPLES / num_micro_batches;
    let cut = |tensor: &Tensor<3>| tensor.clone().narrow(0, 0, samples).autodiff();
    let forward = || {
        let output = pipeline.inner().forward_layers(cut(&batch.0));
        mean_square(output, cut(&batch.1))
    };
    devices.with_threads(1, || {
        forward().backward();
        let before = devices.live_bytes()?;
        let loss = forward();
        let activations = devices.live_bytes()?.saturating_sub(before);
        loss.backward();
        let boundary = 4 * batch.0.shape().num_elements() / num_micro_batches;
        let num_parts = schedule.num_stages() * schedule.num_chunks();
        Some((boundary as u64, activations / num_parts as u64))
    })
}

fn measure(
    report: &Report,
    devices: &Devices,
    pipeline: &Pipeline,
    schedule: &Schedule,
    batch: &Batch,
) -> Line {
    let sizes = sizes(devices, pipeline, schedule, batch);
    step(pipeline, batch);
    let mut runs = Vec::new();
    let mut before = step(pipeline, batch);
    for _ in 0..report.repetitions() {
        let ((timeline, step_seconds), peak) =
            devices.peak_on_host(|| seconds(|| step(pipeline, batch)));

        let after = step(pipeline, batch);
        let costs = Costs::measured(&[before, after.clone()]).expect("a step runs everything");
        let simulated = simulate(schedule, &costs.with_bytes(|_| sizes.unwrap_or_default()));
        runs.push(Run {
            simulated: simulated.expect("a schedule that has run can run"),
            timeline,
            step_seconds,
            peak_mib: peak.map(|peak| peak / MIB),
        });
        before = after;
    }
    let middle = |of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let peaks: Option<Vec<_>> = runs.iter().map(|it| it.peak_mib).collect();
    let stages = 0..schedule.num_stages();
    Line {
        bench: "schedules",
        schedule: String::new(),
        rematerialization: String::new(),
        stages: schedule.num_stages(),
        micro_batches: schedule.num_micro_batches(),
        simulated_seconds: middle(|it| it.simulated.timeline.makespan()),
        measured_seconds: middle(|it| it.timeline.makespan()),
        measured_over_simulated: middle(|it| {
            it.timeline.makespan() / it.simulated.timeline.makespan()
        }),
        simulated_bubble: middle(|it| it.simulated.timeline.bubble_share()),
        measured_bubble: middle(|it| it.timeline.bubble_share()),
        step_seconds: middle(|it| it.step_seconds),
        simulated_peak_mib: sizes
            .map(|_| middle(|it| it.simulated.peak_bytes.iter().sum::<u64>() as f64 / MIB)),
        peak_mib: peaks.map(|peaks| median(&peaks)),
        in_flight: stages.map(|it| schedule.peak_in_flight(it)).sum(),
        timeline_share: middle(|it| timeline_seconds(&it.timeline) / it.step_seconds),
    }
}

/// One measured step, and its simulation under the costs of the steps right before and after it.
struct Run {
    simulated: Simulation,
    timeline: Timeline,
    step_seconds: f64,
    peak_mib: Option<f64>,
}

fn step(pipeline: &Pipeline, batch: &Batch) -> Timeline {
    let (input, target) = batch.clone();
    let step = pipeline
        .train_step(input, target, mean_square)
        .expect("a benchmark's step succeeds");
    wait_for_gradients(pipeline.inner(), &step.grads);
    step.loss.into_scalar::<f32>();
    step.timeline
}

/// What it takes to measure a timeline: to look at the clock as often as the engine does for its
/// instructions, and to put the spans in order.
fn timeline_seconds(timeline: &Timeline) -> f64 {
    const NUM_LOOKS: usize = 6;
    let start = Instant::now();
    let spans: Vec<Span> = timeline.spans().copied().collect();
    let (_, looking) = seconds(|| {
        let looks = (0..NUM_LOOKS * spans.len()).map(|_| start.elapsed().as_secs_f64());
        looks.fold(0.0, f64::max)
    });
    let (_, sorting) = seconds(|| Timeline::new(timeline.num_stages(), spans));
    looking + sorting
}
