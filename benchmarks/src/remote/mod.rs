//! What devices on servers cost: operations, transfers, and a pipeline across servers.

mod operations;
mod pipelines;
mod transfers;

use std::error::Error;

use burn_pipeline::{Rematerialization, ScheduleKind};
use clap::{Args, ValueEnum};

use crate::report::Report;

/// The flags of `remote`.
#[derive(Args)]
pub struct Remote {
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Operations, Part::Transfers, Part::Pipelines])]
    parts: Vec<Part>,
    /// Operations of each thread.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    operations: u64,
    /// Numbers of threads, each with a server of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    threads: Vec<usize>,
    /// Sizes of tensors that are moved, in KiB.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 1024, 16384])]
    kib: Vec<usize>,
    /// Numbers of stages, each on a server of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [2, 8])]
    stages: Vec<usize>,
    /// Numbers of micro-batches.
    #[arg(long, value_delimiter = ',', default_values_t = [8, 32],
        value_parser = clap::value_parser!(u64).range(1..=pipelines::NUM_SAMPLES as u64))]
    micro_batches: Vec<u64>,
    /// Which schedules.
    #[arg(long, value_delimiter = ',', default_values_t = [ScheduleKind::GPipe, ScheduleKind::OneForwardOneBackward])]
    schedules: Vec<ScheduleKind>,
    /// Which rematerializations.
    #[arg(long, value_delimiter = ',', default_values_t = [Rematerialization::Never])]
    rematerialization: Vec<Rematerialization>,
    /// Layers of the Transformer, a multiple of the stages.
    #[arg(long, default_value_t = 8)]
    layers: usize,
    /// Its width.
    #[arg(long, default_value_t = 128)]
    width: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Operations per second that one program hands to servers.
    Operations,
    /// Time to read a number, and to move tensors.
    Transfers,
    /// Steps of a pipeline with each stage on a server, beside their simulation.
    Pipelines,
}

impl Remote {
    /// Measure and report. Servers serve `device`, by name.
    ///
    /// # Errors
    ///
    /// When a server cannot be started, or a pipeline fails.
    pub fn run(&self, report: &Report, device: &str) -> Result<(), Box<dyn Error>> {
        for part in &self.parts {
            match part {
                Part::Operations => self.operations(report, device)?,
                Part::Transfers => self.transfers(report, device)?,
                Part::Pipelines => self.pipelines(report, device)?,
            }
        }
        Ok(())
    }
}
