use std::path::PathBuf;

use clap::Parser;

use crate::{AlexNetConfig, Error, Pictures};

/// An AlexNet-like network, each of its layers split over devices in its own way.
#[derive(Debug, Clone, Parser)]
#[command(version, about, args_override_self = true)]
pub struct Args {
    /// Devices, separated by commas, as `cuda:0,cuda:1`; one name serves all
    #[arg(long, value_name = "NAMES", default_value = "flex")]
    pub devices: String,
    /// How many devices to split layers over
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub num_devices: usize,
    /// Gigabytes per second of the links to plan for
    #[arg(long, value_name = "GB/S", default_value_t = 1.0)]
    pub bandwidth: f64,
    /// Microseconds until the first byte arrives over such a link
    #[arg(long, value_name = "US", default_value_t = 20.0)]
    pub latency: f64,
    /// Steps to train for, under each plan
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub steps: usize,
    /// Pictures in a mini-batch
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub batch_size: usize,
    /// Rows and columns of a picture
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub size: usize,
    /// Channels of the first convolution
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub width: usize,
    /// Features of the fully connected layers
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub features: usize,
    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    pub learning_rate: f64,
    /// Seed of weights and pictures
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// A file to draw the plan to, as SVG
    #[arg(long, value_name = "FILE")]
    pub draw: Option<PathBuf>,
}

impl Args {
    /// Make sure that the flags agree with each other.
    ///
    /// # Errors
    ///
    /// When one does not, with what to give instead.
    pub fn check(&self) -> Result<(), Error> {
        for (flag, value) in [
            ("--num-devices", self.num_devices),
            ("--steps", self.steps),
            ("--batch-size", self.batch_size),
            ("--width", self.width),
            ("--features", self.features),
        ] {
            if value == 0 {
                let message = format!("{flag} is 0, but must be at least 1");
                return Err(Error::Options(message));
            }
        }
        if self.model().last_size() == 0 {
            let message = format!(
                "--size {} leaves nothing behind the last pooling: give at least 57",
                self.size
            );
            return Err(Error::Options(message));
        }
        Ok(())
    }

    /// The sizes of the network.
    pub fn model(&self) -> AlexNetConfig {
        AlexNetConfig {
            size: self.size,
            width: self.width,
            num_features: self.features,
            num_classes: Pictures::NUM_CLASSES,
        }
    }

    /// What it learns from.
    pub fn pictures(&self) -> Pictures {
        Pictures {
            size: self.size,
            seed: self.seed,
        }
    }
}
