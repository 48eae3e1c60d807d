//! Training steps of toys in a pipeline.

use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, PipelineModule, Placement, ScheduleKind};

use crate::compare::Step;
use crate::models::Toy;

/// The toy's model in parts of these numbers of layers, all on `device`: as many stages as the
/// schedule needs for them.
pub fn pipeline<T: Toy>(
    config: &PipelineConfig,
    counts: &[usize],
    device: &Device,
) -> PipelineModule<T::Model> {
    let devices = vec![device.clone(); counts.len() / config.schedule.num_chunks()];
    config
        .init(
            T::model(&device.clone().without_autodiff()),
            Placement::from_counts(&devices, counts),
        )
        .unwrap()
}

/// The first step of such a pipeline, on a mini-batch of `num_samples`.
pub fn first_step<T: Toy>(
    config: &PipelineConfig,
    counts: &[usize],
    num_samples: usize,
    device: &Device,
) -> Step {
    let pipeline = pipeline::<T>(config, counts, device);
    let (input, target) = T::batch(num_samples, &device.clone().without_autodiff());
    let step = pipeline.train_step(input, target, T::loss).unwrap();
    Step::new(step.loss, &step.grads, &pipeline)
}

/// Partitions of `num_layers` layers into stages of `num_chunks` parts, up to three of them: even
/// ones, and ones with all but a layer per part in the first or the last.
fn chunked_partitions(num_layers: usize, num_chunks: usize) -> Vec<Vec<usize>> {
    let mut partitions = Vec::new();
    for num_parts in (1..=3).map(|num_stages| num_stages * num_chunks) {
        let Some(rest) = num_layers.checked_sub(num_parts) else {
            break;
        };
        let with_rest = |part: usize| {
            let mut counts = vec![1; num_parts];
            counts[part] += rest;
            counts
        };
        let even = (0..num_parts)
            .map(|part| (part + 1) * num_layers / num_parts - part * num_layers / num_parts);
        partitions.extend([even.collect(), with_rest(0), with_rest(num_parts - 1)]);
    }
    partitions.sort();
    partitions.dedup();
    partitions
}

/// Partitions of `num_layers` layers, at least 3, for a schedule of this kind.
pub fn partitions_for(kind: &ScheduleKind, num_layers: usize) -> Vec<Vec<usize>> {
    match kind.num_chunks() {
        1 => partitions(num_layers),
        num_chunks => chunked_partitions(num_layers, num_chunks),
    }
}

/// Partitions of `num_layers` layers, at least 3, into one, two and three stages: even ones, and
/// ones with all but a layer in one stage.
pub fn partitions(num_layers: usize) -> Vec<Vec<usize>> {
    let n = num_layers;
    let third = n / 3;
    let mut partitions = vec![
        vec![n],
        vec![1, n - 1],
        vec![n / 2, n - n / 2],
        vec![n - 1, 1],
        vec![1, 1, n - 2],
        vec![third, third, n - 2 * third],
        vec![n - 2, 1, 1],
    ];
    partitions.dedup();
    partitions
}
