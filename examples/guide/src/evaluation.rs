use std::path::Path;

use burn::data::dataloader::DataLoaderBuilder;
use burn::prelude::*;
use burn::store::ModuleRecord;

use crate::{DigitBatcher, Digits, Error, TrainingConfig, plain};

/// The share of `num_images` new images that the model saved in `folder` gets right: Burn's own
/// model, whichever way it was trained.
///
/// # Errors
///
/// When the model cannot be loaded.
pub fn accuracy(
    folder: &Path,
    config: &TrainingConfig,
    num_images: usize,
    device: &Device,
) -> Result<f64, Error> {
    let record = ModuleRecord::load(folder.join("model"))?;
    let model = plain::Model::new(&config.model, device).try_load_record(record)?;
    let batches = DataLoaderBuilder::new(DigitBatcher::default())
        .batch_size(config.batch_size)
        .set_device(device.clone())
        .build(Digits::test(num_images));

    let mut num_right = 0;
    for batch in batches.iter() {
        let batch = batch?;
        let predicted = model.forward(batch.images).argmax(1).flatten(0, 1);
        let right: i64 = predicted.equal(batch.targets).int().sum().into_scalar();
        num_right += right;
    }
    Ok(num_right as f64 / num_images as f64)
}
