//! Table 1: the largest model that fits into the memory of so many accelerators.

use std::error::Error;

use burn_pipeline::{
    Cluster, ClusterError, PartitionProblem, Profile, StageDevice, UnsolvableError,
};
use serde::Serialize;

use super::amoebanet::amoebanet;
use super::described::Model;
use super::published::{AMOEBANET_LARGEST, Largest, TRANSFORMER_LARGEST};
use super::transformer::transformer;
use crate::report::Report;

/// Bytes of a parameter with its gradient and what the optimizer keeps: section 3 of the paper.
const BYTES_PER_PARAMETER: u64 = 12;
const GIB: f64 = (1u64 << 30) as f64;

/// A column of the table: how the paper trains a family of models, and what it does not say of it.
struct Family<'a> {
    published: &'a [Largest],
    cluster: Cluster,
    batch_size: usize,
    /// The number of micro-batches is not published. This one comes closest on one accelerator.
    num_micro_batches: usize,
    /// The share of counted activations that the row without GPipe shows to be kept.
    kept_share: f64,
    /// The model of a row, or the one of the same row that is the `n`th in size.
    model: fn(&Largest, Option<usize>) -> Model,
}

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    family: &'static str,
    /// Accelerators; 0 is one without GPipe.
    devices: usize,
    /// The largest model that is predicted to fit, and its parameters in millions.
    predicted_model: String,
    predicted: f64,
    /// The largest that was published, in millions.
    published: f64,
    predicted_over_published: f64,
    /// Both over the row without GPipe.
    predicted_times: f64,
    published_times: f64,
    /// What the published model is predicted to need on the accelerator that is shortest.
    published_needs_gib: f64,
    limit_gib: f64,
}

/// Predict and report the largest models.
///
/// # Errors
///
/// When a model has fewer layers than there are accelerators.
pub fn run(report: &Report) -> Result<(), Box<dyn Error>> {
    report.predictions(
        "GPipe, table 1: the largest model that fits, in millions of parameters of 12 bytes each. \
         The row without GPipe gives the share of activations that is kept (AmoebaNet), the row of \
         one accelerator the number of micro-batches (4 and 8), which is not published; the other \
         rows are predicted.",
    );
    amoebanets()?.run(report, "AmoebaNet")?;
    Family {
        published: &TRANSFORMER_LARGEST,
        cluster: Cluster::tpu_v3(1)?,
        batch_size: 32,
        num_micro_batches: 8,
        kept_share: 1.0,
        model: |row, size| transformer(size.unwrap_or(row.layers)),
    }
    .run(report, "Transformer")
}

fn amoebanets() -> Result<Family<'static>, ClusterError> {
    Ok(Family {
        published: &AMOEBANET_LARGEST,
        cluster: Cluster::tpu_v2(1)?,
        batch_size: 128,
        num_micro_batches: 4,
        // Published for AmoebaNet-D (18, 208) without GPipe: 6.26 GB.
        kept_share: 6.26e9 / (128.0 * amoebanet(18, 208).kept_bytes()),
        model: |row, size| match size {
            Some(size) => amoebanet(row.layers, 16 * size as u64),
            None => amoebanet(row.layers, row.filters),
        },
    })
}

impl Family<'_> {
    fn run(&self, report: &Report, family: &'static str) -> Result<(), Box<dyn Error>> {
        let mut naive = None;
        for row in self.published {
            let size = self.largest(row)?;
            let model = (self.model)(row, Some(size));
            let predicted = model.num_parameters() as f64;
            let naive = *naive.get_or_insert(predicted);
            let limit = self.limit();
            report.result(&Line {
                bench: "paper",
                family,
                devices: row.devices,
                predicted_model: model.name,
                predicted: predicted / 1e6,
                published: row.parameters / 1e6,
                predicted_over_published: predicted / row.parameters,
                predicted_times: predicted / naive,
                published_times: row.parameters / self.published[0].parameters,
                published_needs_gib: self.need((self.model)(row, None), row.devices)? * limit / GIB,
                limit_gib: limit / GIB,
            });
        }
        Ok(())
    }

    fn limit(&self) -> f64 {
        let bytes = self.cluster.device(0).memory_bytes;
        bytes.expect("the paper's accelerators have a limit") as f64
    }

    /// The greatest size whose model fits, by bisection: a larger one needs more.
    fn largest(&self, row: &Largest) -> Result<usize, UnsolvableError> {
        let fits = |size: usize| {
            let model = (self.model)(row, Some(size));
            let is_short = model.layers.len() < row.devices;
            Ok::<_, UnsolvableError>(is_short || self.need(model, row.devices)? <= 1.0)
        };
        let mut beyond = 1;
        while fits(beyond)? {
            beyond *= 2;
        }
        let mut size = beyond / 2;
        while size + 1 < beyond {
            let middle = size.midpoint(beyond);
            match fits(middle)? {
                true => size = middle,
                false => beyond = middle,
            }
        }
        Ok(size)
    }

    /// What the best partition needs on the accelerator that is shortest, as a share of its memory.
    fn need(&self, model: Model, num_devices: usize) -> Result<f64, UnsolvableError> {
        let model = Model {
            kept_share: self.kept_share,
            ..model
        };
        let profile = model.profile(self.cluster.device(0));
        let device = StageDevice {
            memory_bytes: self.cluster.device(0).memory_bytes,
            ..StageDevice::default()
        };
        let weights = vec![0.0; profile.num_layers()];
        let sums = Sums::of(&profile);
        let problem = PartitionProblem::new(weights, vec![device; num_devices.max(1)]);
        let need = problem
            .with_need(|_, layers| match num_devices {
                0 => sums.whole(self.batch_size),
                _ => sums.stage(layers, self.batch_size, self.num_micro_batches),
            })
            .solve_for_memory()?;
        Ok(need.bottleneck)
    }
}

/// Bytes of the layers before each, for one sample.
struct Sums {
    parameters: Vec<u64>,
    kept: Vec<u64>,
    /// What each layer receives.
    received: Vec<u64>,
}

impl Sums {
    fn of(profile: &Profile) -> Self {
        let mut sums = Self {
            parameters: vec![0],
            kept: vec![0],
            received: vec![profile.input_bytes_per_sample as u64],
        };
        for (index, layer) in profile.layers.iter().enumerate() {
            let one = profile.at(index, 1);
            sums.parameters
                .push(sums.parameters[index] + layer.parameter_bytes / 4 * BYTES_PER_PARAMETER);
            sums.kept.push(sums.kept[index] + one.activation_bytes);
            sums.received.push(one.output_bytes);
        }
        sums
    }

    /// Without GPipe: all activations of the mini-batch.
    fn whole(&self, batch_size: usize) -> u64 {
        let last = self.kept.len() - 1;
        self.parameters[last] + batch_size as u64 * (self.kept[last] + self.received[0])
    }

    /// The boundaries of the mini-batch, and the activations of the micro-batch that is recomputed:
    /// section 2.3 of the paper.
    fn stage(
        &self,
        layers: std::ops::Range<usize>,
        batch_size: usize,
        num_micro_batches: usize,
    ) -> u64 {
        let between = |sums: &[u64]| sums[layers.end] - sums[layers.start];
        let samples = batch_size.div_ceil(num_micro_batches) as u64;
        between(&self.parameters)
            + batch_size as u64 * self.received[layers.start]
            + samples * between(&self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_models_fit_on_more_accelerators() {
        let family = amoebanets().unwrap();
        let parameters = family.published[..3].iter().map(|row| {
            let size = family.largest(row).unwrap();
            (family.model)(row, Some(size)).num_parameters()
        });
        let parameters: Vec<_> = parameters.collect();
        assert!(parameters.is_sorted_by(|a, b| 2 * a < *b), "{parameters:?}");
    }
}
