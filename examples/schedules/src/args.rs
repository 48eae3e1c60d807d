use std::path::PathBuf;

use burn_pipeline::{Rematerialization, ScheduleKind};
use clap::Parser;

/// Every schedule, simulated, run and drawn.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Args {
    /// Schedules to run: `gpipe`, `1f1b`, `interleaved:2`, `breadth-first:2` with their chunks.
    #[arg(long, value_delimiter = ',', default_values_t = [
        ScheduleKind::GPipe,
        ScheduleKind::OneForwardOneBackward,
        ScheduleKind::Interleaved { num_chunks: 2 },
        ScheduleKind::BreadthFirst { num_chunks: 2 },
    ])]
    pub schedules: Vec<ScheduleKind>,
    /// The number of stages, each with one thread for its kernels.
    #[arg(long, default_value_t = 2)]
    pub stages: usize,
    /// Devices of the stages, separated by commas, as `cuda:0,cuda:1`; one name serves every stage.
    #[arg(long, value_name = "NAMES", default_value = "flex")]
    pub devices: String,
    /// The number of micro-batches.
    #[arg(long, default_value_t = 6)]
    pub micro_batches: usize,
    /// Which micro-batches are recomputed: `never`, `except-last` or `always`.
    #[arg(long, default_value_t = Rematerialization::Never)]
    pub rematerialization: Rematerialization,
    /// How many micro-batches a stage may recompute ahead of their turn.
    #[arg(long, default_value_t = 0)]
    pub recompute_ahead: usize,
    /// The number of layers.
    #[arg(long, default_value_t = 8)]
    pub layers: usize,
    /// The width of the layers.
    #[arg(long, default_value_t = 384)]
    pub width: usize,
    /// The number of samples of a micro-batch.
    #[arg(long, default_value_t = 96)]
    pub samples: usize,
    /// How many steps to measure, half of them for the costs.
    #[arg(long, default_value_t = 20)]
    pub steps: usize,
    /// The columns of the drawings.
    #[arg(long, default_value_t = 100)]
    pub columns: usize,
    /// A folder to write each schedule's simulated and measured timelines to, as SVG and as a
    /// Chrome trace.
    #[arg(long, value_name = "FOLDER")]
    pub draw: Option<PathBuf>,
}
