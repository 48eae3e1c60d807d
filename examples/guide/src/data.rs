use burn::data::dataloader::batcher::Batcher;
use burn::prelude::*;

use crate::{Digit, SIZE};

/// Makes a mini-batch of digits, as Burn's guide does of MNIST's.
#[derive(Clone, Default)]
pub struct DigitBatcher {}

/// A mini-batch.
#[derive(Clone, Debug)]
pub struct DigitBatch {
    /// `[batch_size, 28, 28]`, of about mean 0 and deviation 1.
    pub images: Tensor<3>,
    /// `[batch_size]`, the digits that they show.
    pub targets: Tensor<1, Int>,
}

impl Batcher<Digit, DigitBatch> for DigitBatcher {
    fn batch(&self, items: Vec<Digit>, device: &Device) -> DigitBatch {
        let images = items
            .iter()
            .map(|item| TensorData::from(item.image))
            .map(|data| Tensor::<2>::from_data(data, device))
            .map(|tensor| tensor.reshape([1, SIZE, SIZE]))
            .map(|tensor| ((tensor / 255) - 0.1307) / 0.3081)
            .collect();

        let targets = items
            .iter()
            .map(|item| Tensor::<1, Int>::from_data([item.label as i64], device))
            .collect();

        let images = Tensor::cat(images, 0);
        let targets = Tensor::cat(targets, 0);

        DigitBatch { images, targets }
    }
}
