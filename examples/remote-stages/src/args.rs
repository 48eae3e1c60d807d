use std::path::PathBuf;

use clap::Parser;

/// Train a model whose stages are on servers, and go on when one of them is lost.
#[derive(Debug, Clone, Parser)]
pub struct Args {
    /// The servers, one stage on the first device of each: `ws://host:3000,ws://other:3000`. Their
    /// token is in the environment variable BURN_PIPELINE_TOKEN. Without them, servers are started
    /// on this machine.
    #[arg(long, value_delimiter = ',', conflicts_with = "start")]
    pub servers: Vec<String>,

    /// How many servers to start on this machine.
    #[arg(long, default_value_t = 3)]
    pub start: usize,

    /// Keep the first stage in this program.
    #[arg(long)]
    pub first_stage_here: bool,

    /// How many steps to train.
    #[arg(long, default_value_t = 40)]
    pub steps: u64,

    /// Samples in a mini-batch.
    #[arg(long, default_value_t = 64)]
    pub batch_size: usize,

    /// Parts that a mini-batch is split into.
    #[arg(long, default_value_t = 4)]
    pub micro_batches: usize,

    /// Layers of the model.
    #[arg(long, default_value_t = 6)]
    pub layers: usize,

    /// Width of the layers.
    #[arg(long, default_value_t = 128)]
    pub width: usize,

    /// Where to save the run, every --save-every steps. What is there is written over.
    #[arg(long, default_value = "target/remote-stages")]
    pub save: PathBuf,

    /// How often to save.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub save_every: u64,

    /// Kill the last server that was started before this step, to see what happens.
    #[arg(long, conflicts_with = "servers")]
    pub lose_one_at: Option<u64>,

    /// Be a server, for the program that has started this one.
    #[arg(long, hide = true)]
    pub serve: bool,

    /// Seconds to wait for a server that does not answer.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub time_out: u64,
}
