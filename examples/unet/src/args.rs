//! The flags.

use std::thread::available_parallelism;

use burn_pipeline::{Rematerialization, ScheduleKind};
use clap::Parser;

use crate::Error;
use crate::model::{Route, UNetConfig};

/// Train a small U-Net with skips across stages.
#[derive(Parser, Debug, Clone)]
#[command(version, about, args_override_self = true)]
pub struct Args {
    /// Stages, each with a worker of its own
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub stages: usize,

    /// Micro-batches to split a mini-batch into
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub micro_batches: usize,

    /// Order in which stages run micro-batches: gpipe, 1f1b, interleaved:2 or breadth-first:2, the
    /// last two with their number of chunks per stage
    #[arg(long, value_name = "KIND", default_value_t = ScheduleKind::GPipe)]
    pub schedule: ScheduleKind,

    /// Micro-batches to run forward again in the backward pass: never, except-last or always
    #[arg(long, value_name = "WHICH", default_value_t = Rematerialization::ExceptLast)]
    pub rematerialization: Rematerialization,

    /// Send what the downs keep for the ups as plain tensors through every stage between them
    #[arg(long)]
    pub through_stages: bool,

    /// Steps to train for
    #[arg(long, value_name = "N", default_value_t = 160)]
    pub steps: usize,

    /// Pictures in a mini-batch
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub batch_size: usize,

    /// Height and width of a picture
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub size: usize,

    /// Channels at full size; half the size has twice as many
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub width: usize,

    /// How often the size is halved, and doubled again
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub depth: usize,

    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = 3e-3)]
    pub learning_rate: f64,

    /// Seed of weights and pictures
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Devices of the stages, separated by commas, as `cuda:0,cuda:1`; one name serves every stage
    #[arg(long, value_name = "NAMES", default_value = "flex")]
    pub devices: String,
}

impl Args {
    /// Make sure that the flags agree with each other.
    ///
    /// # Errors
    ///
    /// When they do not, with the two that disagree.
    pub fn check(&self) -> Result<(), Error> {
        for (flag, value) in [
            ("--stages", self.stages),
            ("--micro-batches", self.micro_batches),
            ("--steps", self.steps),
            ("--batch-size", self.batch_size),
            ("--size", self.size),
            ("--width", self.width),
            ("--depth", self.depth),
        ] {
            if value == 0 {
                let message = format!("{flag} is 0, but must be at least 1");
                return Err(Error::Options(message));
            }
        }
        let Self {
            batch_size,
            micro_batches,
            size,
            depth,
            learning_rate,
            ..
        } = self;
        let halves = *depth < usize::BITS as usize && size.is_multiple_of(1 << depth);
        let rules = [
            (
                micro_batches <= batch_size,
                format!(
                    "--micro-batches {micro_batches} are more than --batch-size {batch_size} can fill: lower the one or raise the other"
                ),
            ),
            (
                halves,
                format!(
                    "--size {size} cannot be halved {depth} times: give a multiple of 2 to the power of --depth {depth}, or a smaller --depth"
                ),
            ),
            (
                *learning_rate > 0.0 && *learning_rate <= 1.0,
                format!(
                    "--learning-rate {learning_rate} is out of range: give more than 0 and at most 1"
                ),
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, message)) => Err(Error::Options(message)),
            None => Ok(()),
        }
    }

    /// The shape of the model.
    pub fn model(&self) -> UNetConfig {
        UNetConfig::new(self.width, self.depth).with_route(match self.through_stages {
            true => Route::ThroughStages,
            false => Route::Skip,
        })
    }

    /// The threads of each stage: an even share of the machine's cores.
    pub fn threads_per_stage(&self) -> usize {
        let num_cores = available_parallelism().map_or(1, usize::from);
        (num_cores / self.stages.max(1)).max(1)
    }
}
