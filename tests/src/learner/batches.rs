//! Batches for the classifier, made by arithmetic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::Interrupter;

use crate::compare::values;
use crate::data::{floats, ints};

pub(super) const NUM_FEATURES: usize = 6;
pub(super) const NUM_CLASSES: usize = 3;
/// Neither divides by 8, the batch size, or by the numbers of micro-batches.
const NUM_TRAINING: usize = 27;
const NUM_VALIDATION: usize = 13;
/// How many batches an epoch of training has.
pub const BATCHES_PER_EPOCH: usize = NUM_TRAINING.div_ceil(8);

#[derive(Debug, Clone)]
struct Sample {
    features: Vec<f32>,
    class: i64,
}

/// A mini-batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[num_samples, 6]`.
    pub features: Tensor<2>,
    /// `[num_samples]`, classes from 0 to 2.
    pub targets: Tensor<1, Int>,
}

/// Stops the run while it makes its `left`th batch.
#[derive(Clone)]
pub(super) struct Stop {
    left: Arc<AtomicUsize>,
    interrupter: Interrupter,
}

impl Stop {
    pub(super) fn at(num_batches: usize, interrupter: &Interrupter) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(num_batches)),
            interrupter: interrupter.clone(),
        }
    }
}

struct Stacked(Option<Stop>);

impl Batcher<Sample, Batch> for Stacked {
    fn batch(&self, samples: Vec<Sample>, device: &Device) -> Batch {
        if let Some(stop) = &self.0
            && stop.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            stop.interrupter.stop(Some("seen enough"));
        }
        let num_samples = samples.len();
        let targets: Vec<i64> = samples.iter().map(|sample| sample.class).collect();
        let features: Vec<f32> = samples.into_iter().flat_map(|it| it.features).collect();
        let features = TensorData::new(features, [num_samples, NUM_FEATURES]);
        Batch {
            features: Tensor::from_data(features, device),
            targets: Tensor::from_data(TensorData::new(targets, [num_samples]), device),
        }
    }
}

fn samples(num_samples: usize, salt: u64) -> InMemDataset<Sample> {
    let device = Device::flex();
    let features = values(floats([num_samples, NUM_FEATURES], salt, &device).into_data());
    let classes = ints([num_samples], NUM_CLASSES as i64, salt + 1, &device).into_data();
    let classes = classes.convert::<i64>().try_into_vec::<i64>().unwrap();
    let features = features.chunks(NUM_FEATURES).map(<[f32]>::to_vec);
    let samples = features.zip(classes);
    InMemDataset::new(
        samples
            .map(|(features, class)| Sample { features, class })
            .collect(),
    )
}

type Loader = Arc<dyn DataLoader<Batch>>;

/// Training batches, shuffled when there is a seed for it.
pub(super) fn training(shuffle: Option<u64>, stop: Option<Stop>) -> Loader {
    let builder = DataLoaderBuilder::new(Stacked(stop)).batch_size(8);
    let builder = match shuffle {
        Some(seed) => builder.shuffle(seed),
        None => builder,
    };
    builder.build(samples(NUM_TRAINING, 10))
}

/// Validation batches.
pub fn validation() -> Loader {
    let builder = DataLoaderBuilder::new(Stacked(None)).batch_size(8);
    builder.build(samples(NUM_VALIDATION, 20))
}
