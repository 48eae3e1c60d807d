//! The cut that a profile says is best, beside the one in the middle.

use burn::tensor::Tensor;
use burn_pipeline::{
    Partition, PipelineConfig, Profile, Rematerialization, ScheduleKind, Sequential, simulate,
};
use serde::Serialize;

use super::case::Case;
use super::costs::costs;
use super::{NUM_STAGES, Planner};
use crate::devices::Devices;
use crate::measure::{median, ratio};
use crate::report::Report;

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    model: String,
    layers: usize,
    /// The layers of each stage.
    even: String,
    planned: String,
    even_seconds: f64,
    planned_seconds: f64,
    /// By how much the planned cut is faster, the median of the ratios of neighbouring steps.
    measured_gain: f64,
    /// What the profile says of that.
    predicted_gain: f64,
    /// What it would be if stages could be cut equal and there was no bubble: the slower half over
    /// the mean of both.
    bound: f64,
}

impl Planner {
    pub(super) fn partition<const D: usize, M>(
        &self,
        report: &Report,
        devices: &Devices,
        case: &Case<M, D>,
    ) where
        M: Sequential<Input = Tensor<D>, Output = Tensor<D>> + 'static,
    {
        let num_samples = case.num_samples() / self.micro_batches;
        let config = PipelineConfig::new()
            .with_num_micro_batches(self.micro_batches)
            .with_schedule(ScheduleKind::OneForwardOneBackward)
            .with_rematerialization(Rematerialization::Never)
            .with_threads_per_stage(Some(1));
        let schedule = config
            .training_schedule(NUM_STAGES, self.micro_batches)
            .expect("a benchmark's schedule exists");
        let num_layers = case.model.num_layers();
        let makespan = |profile: &Profile, cut: usize| {
            let partition = Partition::from_cuts(&[cut], num_layers);
            let partition = partition.expect("a cut is between two layers");
            let costs = costs(profile, &partition, &schedule, num_samples);
            let simulation = simulate(&schedule, &costs);
            let timeline = simulation
                .expect("a schedule that runs can be simulated")
                .timeline;
            timeline.makespan()
        };
        let profile = || case.profile(devices, self.micro_batches, self.num_neighbours());

        let profiles: Vec<_> = (0..report.repetitions()).map(|_| profile()).collect();
        let middle =
            |of: &dyn Fn(&Profile) -> f64| median(&profiles.iter().map(of).collect::<Vec<_>>());
        let even = num_layers.div_ceil(2);
        let predicted = |cut: usize| middle(&|profile| makespan(profile, cut));
        let planned = (1..num_layers).min_by(|a, b| predicted(*a).total_cmp(&predicted(*b)));
        let planned = planned.expect("a benchmark's model has two layers at least");

        let stage = |profile: &Profile, layers: std::ops::Range<usize>| -> f64 {
            let layers = layers.map(|layer| profile.at(layer, num_samples));
            layers.map(|it| it.recorded_forward + it.backward).sum()
        };
        let bound = middle(&|profile| {
            let [first, second] = [0..even, even..num_layers].map(|it| stage(profile, it));
            2.0 * first.max(second) / (first + second)
        });

        let cuts = [even, planned];
        let pipelines =
            cuts.map(|cut| case.pipeline(devices, &config, Some(&[cut, num_layers - cut])));
        let mut times = [Vec::new(), Vec::new()];
        for repetition in 0..=report.repetitions() {
            for (pipeline, times) in pipelines.iter().zip(&mut times) {
                let (_, seconds) = case.step(pipeline);
                if repetition > 0 {
                    times.push(seconds);
                }
            }
        }
        let text = |cut: usize| format!("{cut}+{}", num_layers - cut);
        report.result(&Line {
            bench: "planner-partition",
            model: case.name.clone(),
            layers: num_layers,
            even: text(even),
            planned: text(planned),
            even_seconds: median(&times[0]),
            planned_seconds: median(&times[1]),
            measured_gain: ratio(&times[0], &times[1]),
            predicted_gain: predicted(even) / predicted(planned),
            bound,
        });
    }
}
