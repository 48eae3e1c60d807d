use std::path::Path;

use burn::data::dataloader::DataLoaderBuilder;
use burn::prelude::*;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{Learner, SupervisedTraining};

use super::model::Model;
use crate::{DigitBatcher, Digits, Error, TrainingConfig};

/// Train the model, and save it and all that is written on the way in `folder`.
///
/// # Errors
///
/// When training fails, or a file cannot be written.
pub fn train(folder: &Path, config: &TrainingConfig, device: &Device) -> Result<(), Error> {
    config
        .save(folder.join("config.json"))
        .map_err(Error::file(folder))?;
    device.seed(config.seed);

    let batcher = DigitBatcher::default();

    let dataloader_train = DataLoaderBuilder::new(batcher.clone())
        .batch_size(config.batch_size)
        .shuffle(config.seed)
        .num_workers(config.num_workers)
        .build(Digits::train(config.num_images));

    let dataloader_valid = DataLoaderBuilder::new(batcher)
        .batch_size(config.batch_size)
        .shuffle(config.seed)
        .num_workers(config.num_workers)
        .build(Digits::valid(config.num_images / 8));

    let training = SupervisedTraining::new(folder, dataloader_train, dataloader_valid)
        .metrics((AccuracyMetric::new(), LossMetric::new()))
        .with_default_checkpointers()
        .num_epochs(config.num_epochs)
        .summary();

    let model = Model::new(&config.model, device);
    let result = training.launch(Learner::new(
        model,
        config.optimizer.init(),
        config.learning_rate,
    ));
    if let Some(error) = result.error {
        return Err(Error::Training(error));
    }
    Ok(result.model.into_record().save(folder.join("model"))?)
}
