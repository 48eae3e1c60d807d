use burn::optim::AdamConfig;
use burn::prelude::*;

/// The sizes of the model, with or without a pipeline.
#[derive(Config, Debug)]
pub struct ModelConfig {
    /// The number of classes.
    pub num_classes: usize,
    /// The width between the two linear layers.
    pub hidden_size: usize,
    /// The probability that a value is dropped out in training.
    #[config(default = "0.5")]
    pub dropout: f64,
}

/// How to train it. The learning rate is ten times that of Burn's guide, which trains ten epochs on
/// 60,000 images.
#[derive(Config, Debug)]
pub struct TrainingConfig {
    /// The model.
    pub model: ModelConfig,
    /// The optimizer.
    pub optimizer: AdamConfig,
    /// How many images to train on.
    pub num_images: usize,
    /// The number of epochs.
    pub num_epochs: usize,
    /// The number of images in a mini-batch.
    #[config(default = 64)]
    pub batch_size: usize,
    /// The number of threads that load data.
    #[config(default = 1)]
    pub num_workers: usize,
    /// The seed of the parameters and the shuffles. On one device dropout follows from it as well; in
    /// a pipeline, from [`PipelineConfig::seed`](burn_pipeline::PipelineConfig).
    #[config(default = 42)]
    pub seed: u64,
    /// The learning rate.
    #[config(default = 1.0e-3)]
    pub learning_rate: f64,
}
