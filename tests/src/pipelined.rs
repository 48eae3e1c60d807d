//! Training steps of toys in a pipeline.

use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, PipelineModule, Placement};

use crate::compare::Step;
use crate::models::Toy;

/// The toy's model in stages of these numbers of layers, all on `device`.
pub fn pipeline<T: Toy>(
    config: &PipelineConfig,
    counts: &[usize],
    device: &Device,
) -> PipelineModule<T::Model> {
    let devices = vec![device.clone(); counts.len()];
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
