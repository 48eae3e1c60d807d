//! The flags of plans.

use std::error::Error as StdError;
use std::fs;
use std::path::PathBuf;

use burn_pipeline::Plan;

use crate::Error;

/// What a plan says instead of a flag.
const PLANNED: [&str; 5] = [
    "stages",
    "micro_batches",
    "schedule",
    "schedule_file",
    "rematerialization",
];

/// Where a plan comes from and goes to.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct PlanArgs {
    /// Profile the model on the devices, search for the plan with the shortest step, and train by
    /// it; one device that is named alone may hold 2 stages
    #[arg(long, conflicts_with_all = PLANNED)]
    pub auto: bool,

    /// File with a plan to train by, as `--save-plan` writes it
    #[arg(
        long,
        value_name = "FILE",
        value_parser = read_plan,
        conflicts_with = "auto",
        conflicts_with_all = PLANNED
    )]
    pub plan: Option<Plan>,

    /// Most memory that a plan of `--auto` may take on each stage
    #[arg(long, value_name = "MIB", requires = "auto")]
    pub memory_limit: Option<u64>,

    /// File to save the plan of `--auto` in, as JSON
    #[arg(long, value_name = "FILE", requires = "auto")]
    pub save_plan: Option<PathBuf>,

    /// What the process has allocated, where it is counted: then `--auto` knows what layers keep.
    #[arg(skip)]
    pub live_bytes: Option<fn() -> u64>,
    /// The most that it has had since this was last asked.
    #[arg(skip)]
    pub peak_bytes: Option<fn() -> u64>,
}

impl PlanArgs {
    /// Make sure that a plan is for a model of so many layers and for such mini-batches.
    pub(crate) fn check(&self, num_layers: usize, batch_size: usize) -> Result<(), Error> {
        let Some(plan) = &self.plan else {
            return Ok(());
        };
        let planned = plan.partition().num_layers();
        if planned != num_layers {
            return Err(Error::Options(format!(
                "the plan is for {planned} layers, but --layers {} makes a model of {num_layers}: \
                 give --layers {}, or plan again",
                num_layers - 2,
                planned.saturating_sub(2)
            )));
        }
        let planned = plan.batch_size();
        match planned == batch_size {
            true => Ok(()),
            false => Err(Error::Options(format!(
                "the plan is for mini-batches of {planned} windows, but --batch-size is \
                 {batch_size}: give --batch-size {planned}, or plan again"
            ))),
        }
    }

    pub(crate) fn num_stages(&self) -> Option<usize> {
        self.planned(|plan| plan.devices().len())
    }

    pub(crate) fn num_micro_batches(&self) -> Option<usize> {
        self.planned(Plan::num_micro_batches)
    }

    fn planned(&self, of: impl Fn(&Plan) -> usize) -> Option<usize> {
        let planned = self.plan.as_ref().map(of);
        planned.or(self.auto.then_some(1))
    }
}

fn read_plan(path: &str) -> Result<Plan, Box<dyn StdError + Send + Sync>> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}
