use std::path::PathBuf;

use clap::Parser;

use crate::Error;

/// Profile a network, search for its best plan, and train by it beside an even cut.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Args {
    /// Devices to plan for, separated by commas, as `cuda:0,cuda:1`; one name serves `--stages`.
    #[arg(long, value_name = "NAMES", default_value = "flex")]
    pub devices: String,
    /// The most stages, each with one thread for its kernels.
    #[arg(long, default_value_t = 2)]
    pub stages: usize,
    /// The most parts of the model that a stage may hold: with more than one, schedules may be
    /// interleaved.
    #[arg(long, default_value_t = 1)]
    pub chunks: usize,
    /// The most memory of each device, in MiB.
    #[arg(long, value_name = "MIB")]
    pub memory_limit: Option<u64>,
    /// The number of pictures of a mini-batch.
    #[arg(long, default_value_t = 32)]
    pub batch_size: usize,
    /// The height and width of the pictures, a multiple of 8.
    #[arg(long, default_value_t = 32)]
    pub size: usize,
    /// How many sweeps the profile takes through the layers, for each size of a micro-batch.
    #[arg(long, default_value_t = 3)]
    pub sweeps: usize,
    /// How many steps to train under each cut, after one to warm up.
    #[arg(long, default_value_t = 9)]
    pub steps: usize,
    /// The columns of the drawing.
    #[arg(long, default_value_t = 100)]
    pub columns: usize,
    /// A folder to draw the profile and the planned step in, as SVG.
    #[arg(long, value_name = "FOLDER")]
    pub draw: Option<PathBuf>,
    /// A folder to save the profile and the plan in, as JSON.
    #[arg(long, value_name = "FOLDER")]
    pub save: Option<PathBuf>,

    /// What the process has allocated, where it is counted: then what layers keep is known.
    #[arg(skip)]
    pub live_bytes: Option<fn() -> u64>,
    /// The most that it has had since this was last asked.
    #[arg(skip)]
    pub peak_bytes: Option<fn() -> u64>,
}

impl Args {
    /// Make sure that there is something to plan and to train.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (name, number) in [
            ("stages", self.stages),
            ("chunks", self.chunks),
            ("batch-size", self.batch_size),
            ("size", self.size),
            ("sweeps", self.sweeps),
            ("steps", self.steps),
        ] {
            if number == 0 {
                return Err(Error::Options(format!(
                    "--{name} is 0, but at least 1 is needed"
                )));
            }
        }
        match self.size.is_multiple_of(8) {
            true => Ok(()),
            false => Err(Error::Options(format!(
                "--size is {}, but pictures are halved three times: give a multiple of 8",
                self.size
            ))),
        }
    }
}
