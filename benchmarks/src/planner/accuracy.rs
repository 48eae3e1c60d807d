//! Predicted steps beside measured ones.

use burn::tensor::Tensor;
use burn_pipeline::{PipelineConfig, Profile, Sequential, simulate};
use serde::Serialize;

use super::bytes::peak_bytes;
use super::case::Case;
use super::costs::costs;
use super::{NUM_STAGES, Planner};
use crate::devices::Devices;
use crate::measure::median;
use crate::report::Report;

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    model: String,
    schedule: String,
    rematerialization: String,
    micro_batches: usize,
    neighbours: usize,
    /// The step under what the profiles right before and after it say.
    predicted_seconds: f64,
    /// The step between them, from the call until it returns.
    measured_seconds: f64,
    /// The median of these ratios.
    measured_over_predicted: f64,
    /// The most of all simulated steps, and of all that ran.
    predicted_peak_mib: Option<f64>,
    peak_mib: Option<f64>,
    measured_over_predicted_peak: Option<f64>,
}

/// Steps that are not timed: stages do not need most at the same moment in every step.
const STEPS_FOR_PEAK: usize = 20;
const MIB: f64 = (1 << 20) as f64;

impl Planner {
    pub(super) fn accuracy<const D: usize, M>(
        &self,
        report: &Report,
        devices: &Devices,
        case: &Case<M, D>,
    ) where
        M: Sequential<Input = Tensor<D>, Output = Tensor<D>> + 'static,
    {
        for kind in &self.schedules {
            for &rematerialization in &self.rematerialization {
                let config = PipelineConfig::new()
                    .with_num_micro_batches(self.micro_batches)
                    .with_schedule(kind.clone())
                    .with_rematerialization(rematerialization)
                    .with_threads_per_stage(Some(1));
                report.result(&Line {
                    schedule: kind.to_string(),
                    rematerialization: rematerialization.to_string(),
                    ..self.measure(report, devices, case, &config)
                });
            }
        }
    }

    fn measure<const D: usize, M>(
        &self,
        report: &Report,
        devices: &Devices,
        case: &Case<M, D>,
        config: &PipelineConfig,
    ) -> Line
    where
        M: Sequential<Input = Tensor<D>, Output = Tensor<D>> + 'static,
    {
        let num_samples = case.num_samples() / self.micro_batches;
        let schedule = config
            .training_schedule(NUM_STAGES, self.micro_batches)
            .expect("a benchmark's schedule exists");
        let pipeline = case.pipeline(devices, config, None);
        let partition = pipeline.partition();
        let predicted = |profile: &Profile| {
            let costs = costs(profile, partition, &schedule, num_samples);
            let simulation = simulate(&schedule, &costs);
            let timeline = simulation
                .expect("a schedule that runs can be simulated")
                .timeline;
            let bytes = peak_bytes(profile, partition, &timeline, num_samples);
            (timeline.makespan(), (bytes + case.batch_bytes()) as f64)
        };
        let profile = || case.profile(devices, self.micro_batches, self.num_neighbours());

        case.step(&pipeline);
        let mut before = predicted(&profile());
        let mut times = Vec::new();
        let (mut predicted_peak, mut peak) = (before.1, Some(0.0_f64));
        let mut count = |counted: Option<f64>| {
            peak = peak.zip(counted).map(|(most, counted)| most.max(counted));
        };
        for _ in 0..report.repetitions() {
            case.step(&pipeline);
            let ((_, seconds), counted) = devices.peak_on_host(|| case.step(&pipeline));
            count(counted);
            let after = predicted(&profile());
            times.push(((before.0 + after.0) / 2.0, seconds));
            predicted_peak = predicted_peak.max(after.1);
            before = after;
        }
        if devices.on_host() {
            for _ in 0..STEPS_FOR_PEAK {
                count(devices.peak_on_host(|| case.step(&pipeline)).1);
            }
        }
        let middle = |of: fn(&(f64, f64)) -> f64| median(&times.iter().map(of).collect::<Vec<_>>());
        Line {
            bench: "planner-accuracy",
            model: case.name.clone(),
            schedule: String::new(),
            rematerialization: String::new(),
            micro_batches: self.micro_batches,
            neighbours: self.num_neighbours(),
            predicted_seconds: middle(|it| it.0),
            measured_seconds: middle(|it| it.1),
            measured_over_predicted: middle(|it| it.1 / it.0),
            predicted_peak_mib: peak.map(|_| predicted_peak / MIB),
            peak_mib: peak.map(|it| it / MIB),
            measured_over_predicted_peak: peak.map(|it| it / predicted_peak),
        }
    }
}
