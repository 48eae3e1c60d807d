use std::path::PathBuf;

use clap::Parser;

/// Burn's guide, trained across stages.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Args {
    /// Train on one device, without a pipeline.
    #[arg(long)]
    pub single_device: bool,
    /// The number of stages.
    #[arg(long, default_value_t = 2, conflicts_with = "single_device")]
    pub stages: usize,
    /// Devices of the stages, separated by commas, as `cuda:0,cuda:1`; one name serves every stage.
    #[arg(long, value_name = "NAMES", default_value = "flex")]
    pub devices: String,
    /// The number of epochs.
    #[arg(long, default_value_t = 2)]
    pub epochs: usize,
    /// How many images to train on. An eighth as many are held out for validation, and as many
    /// again to tell the accuracy by.
    #[arg(long, default_value_t = 8192)]
    pub images: usize,
    /// A folder for the model, the checkpoints and the metrics.
    #[arg(long, value_name = "FOLDER", default_value = "target/guide")]
    pub save: PathBuf,
}
