//! Table 2: throughput by the number of stages and of micro-batches.

use std::error::Error;

use burn_pipeline::{
    Cluster, PartitionProblem, Rematerialization, ScheduleKind, Sending, StageDevice,
    rematerialize, simulate,
};
use serde::Serialize;

use super::amoebanet::amoebanet;
use super::described::Model;
use super::published::{AMOEBANET_THROUGHPUT, MICRO_BATCHES, STAGES, TRANSFORMER_THROUGHPUT};
use super::transformer::transformer;
use crate::report::Report;

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    model: String,
    devices: String,
    stages: usize,
    micro_batches: usize,
    /// Samples per second over those of 2 stages and 1 micro-batch.
    predicted: f64,
    /// Nothing where the paper has no such row.
    published: Option<f64>,
    predicted_over_published: Option<f64>,
    bubble_share: f64,
    /// The slowest stage over the mean.
    imbalance: f64,
}

/// A cluster of so many devices.
type Devices = fn(usize) -> Result<Cluster, burn_pipeline::ClusterError>;

/// Predict and report throughputs.
///
/// # Errors
///
/// When a model cannot be cut.
pub fn run(report: &Report) -> Result<(), Box<dyn Error>> {
    report.predictions(
        "GPipe, table 2: throughput over that of 2 stages and 1 micro-batch. GPipe's schedule, \
         everything recomputed, best cuts by time, mini-batches of 128 images and 32 sentences. On \
         TPUs beside the published figures, and on P100 over PCIe. A device is taken to be as fast \
         with one sample as with many.",
    );
    let published = |table: [[f64; 3]; 3]| Some(table);
    for (model, batch_size, devices, table) in [
        (
            amoebanet(18, 256),
            128,
            Cluster::tpu_v2 as Devices,
            published(AMOEBANET_THROUGHPUT),
        ),
        (
            transformer(48),
            32,
            Cluster::tpu_v3,
            published(TRANSFORMER_THROUGHPUT),
        ),
        (amoebanet(18, 256), 128, Cluster::p100_pcie, None),
        (transformer(48), 32, Cluster::p100_pcie, None),
    ] {
        let mut first = None;
        for (row, &micro_batches) in MICRO_BATCHES.iter().enumerate() {
            for (column, &stages) in STAGES.iter().enumerate() {
                let cluster = devices(stages)?;
                let step = Step::predict(&model, &cluster, batch_size, micro_batches)?;
                let predicted = *first.get_or_insert(step.seconds) / step.seconds;
                let published = table.map(|table| table[row][column]);
                report.result(&Line {
                    bench: "paper",
                    model: model.name.clone(),
                    devices: cluster.device(0).name.clone(),
                    stages,
                    micro_batches,
                    predicted,
                    published,
                    predicted_over_published: published.map(|published| predicted / published),
                    bubble_share: step.bubble_share,
                    imbalance: step.imbalance,
                });
            }
        }
    }
    Ok(())
}

struct Step {
    seconds: f64,
    bubble_share: f64,
    imbalance: f64,
}

impl Step {
    fn predict(
        model: &Model,
        cluster: &Cluster,
        batch_size: usize,
        num_micro_batches: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let num_stages = cluster.num_devices();
        let profile = model.profile(cluster.device(0));
        let samples = batch_size / num_micro_batches;
        let seconds = |layer| {
            let it = profile.at(layer, samples);
            it.forward + it.recorded_forward + it.backward
        };
        let sent = |layer| match layer {
            0 => 0,
            _ => profile.at(layer - 1, samples).output_bytes,
        };
        let layers = 0..profile.num_layers();
        let best = PartitionProblem::new(
            layers.clone().map(seconds).collect(),
            vec![StageDevice::default(); num_stages],
        )
        .with_links(
            layers.map(sent).collect(),
            |from, to| cluster.link(from, to),
            Sending::Overlapped,
        )
        .solve()?;

        let schedule = ScheduleKind::GPipe.schedule(num_stages, num_micro_batches)?;
        let schedule = rematerialize(schedule, Rematerialization::Always);
        let costs = profile.on(cluster)?.costs(
            &best.partition,
            &best.devices,
            &schedule,
            &vec![samples; num_micro_batches],
        )?;
        let timeline = simulate(&schedule, &costs)?.timeline;
        let mean = best.stages.iter().sum::<f64>() / num_stages as f64;
        Ok(Self {
            seconds: timeline.makespan(),
            bubble_share: timeline.bubble_share(),
            imbalance: best.stages[best.slowest_stage()] / mean,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The closed form of equal stages bounds every prediction.
    #[test]
    fn throughput_stays_below_what_the_bubble_allows() {
        let model = transformer(48);
        let step = |stages, micro_batches| {
            let cluster = Cluster::tpu_v3(stages).unwrap();
            Step::predict(&model, &cluster, 32, micro_batches).unwrap()
        };
        let first = step(2, 1).seconds;
        for (stages, micro_batches) in [(2, 4), (4, 4), (8, 32)] {
            let ideal = (stages * micro_batches) as f64 / (stages + micro_batches - 1) as f64;
            let predicted = first / step(stages, micro_batches).seconds;
            assert!(
                predicted > 1.0 && predicted < ideal,
                "{predicted} of {ideal}"
            );
        }
    }
}
