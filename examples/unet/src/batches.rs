//! Mini-batches of pictures.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{Args, Picture, Pictures, Split};

/// The pictures that a model is tested on.
const NUM_VALIDATION: usize = 64;

/// Pictures and their masks, both `[num_pictures, 1, size, size]`.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The pictures.
    pub images: Tensor<4>,
    /// 1 where a pixel belongs to a shape, 0 elsewhere.
    pub masks: Tensor<4, Int>,
}

/// The mini-batches of a whole training run, in which no picture comes twice.
pub fn training_batches(args: &Args, device: &Device) -> Arc<dyn DataLoader<Batch>> {
    loader(Split::Training, args.steps * args.batch_size, args, device)
}

/// The pictures to test on.
pub fn validation_batches(args: &Args, device: &Device) -> Arc<dyn DataLoader<Batch>> {
    loader(Split::Validation, NUM_VALIDATION, args, device)
}

fn loader(
    split: Split,
    num_pictures: usize,
    args: &Args,
    device: &Device,
) -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(PictureBatcher { size: args.size })
        .batch_size(args.batch_size)
        .set_device(device.clone())
        .build(Pictures::new(split, num_pictures, args.size, args.seed))
}

struct PictureBatcher {
    size: usize,
}

impl Batcher<Picture, Batch> for PictureBatcher {
    fn batch(&self, pictures: Vec<Picture>, device: &Device) -> Batch {
        let shape = [pictures.len(), 1, self.size, self.size];
        let (pixels, masks): (Vec<_>, Vec<_>) = pictures
            .into_iter()
            .map(|picture| (picture.pixels, picture.mask))
            .unzip();
        Batch {
            images: Tensor::from_data(TensorData::new(pixels.concat(), shape), device),
            masks: Tensor::from_data(TensorData::new(masks.concat(), shape), device),
        }
    }
}
