//! The flags.

use std::path::PathBuf;
use std::thread::available_parallelism;

use burn_pipeline::{PipelineConfig, Rematerialization, Schedule, ScheduleKind};
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::Error;
use crate::model::GptConfig;
use crate::plan_args::PlanArgs;
use crate::schedule_file::read_schedule;

/// The numbers of stages and micro-batches that neither a flag nor a schedule says.
pub(crate) const NUM_STAGES: usize = 2;
const NUM_MICRO_BATCHES: usize = 8;

/// Train a byte-level GPT across stages.
#[derive(Parser, Debug, Clone)]
#[command(version, args_override_self = true)]
pub struct Args {
    /// Stages, each with a worker of its own [default: 2, or as many as the schedule file has]
    #[arg(long, value_name = "N")]
    pub stages: Option<usize>,

    /// Micro-batches to split a mini-batch into [default: 8, or as many as the schedule file has]
    #[arg(long, value_name = "N")]
    pub micro_batches: Option<usize>,

    /// Order in which stages run micro-batches: gpipe, 1f1b, interleaved:2 or breadth-first:2, the
    /// last two with their number of chunks per stage
    #[arg(long, value_name = "KIND", default_value = "gpipe")]
    pub schedule: ScheduleKind,

    /// File with a schedule of your own, run as it is written: `stage 0 F0 F1 B0 B1` and so on, a
    /// line for each stage, or PyTorch's CSV where the file ends in .csv
    #[arg(
        long,
        value_name = "FILE",
        value_parser = read_schedule,
        conflicts_with_all = ["schedule", "rematerialization"]
    )]
    pub schedule_file: Option<Schedule>,

    /// Windows of text in a mini-batch
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub batch_size: usize,

    /// Blocks of the model, between its embedding and its head
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub layers: usize,

    /// Numbers that stand for a byte between two layers
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub width: usize,

    /// Heads that share the width in attention
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub heads: usize,

    /// Bytes that the model sees at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub context: usize,

    /// Probability with which a number is dropped in training
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub dropout: f64,

    /// Let the head share the weight of the embedding
    #[arg(long)]
    pub tie_embeddings: bool,

    /// Micro-batches to run forward again in the backward pass, instead of keeping activations
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "except-last",
        value_parser = PossibleValuesParser::new(["never", "except-last", "always"])
            .map(|name| rematerialization(&name))
    )]
    pub rematerialization: Rematerialization,

    /// Devices of the stages, separated by commas, as `cuda:0,cuda:1`; one name serves every stage
    #[arg(long, value_name = "NAMES", default_value = "flex")]
    pub devices: String,

    /// Steps to train for, those of a resumed run included
    #[arg(long, value_name = "N", default_value_t = 800)]
    pub steps: usize,

    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, value_name = "RATE", default_value_t = 3e-3)]
    pub learning_rate: f64,

    /// Seed of weights, mini-batches, dropout and the sample
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Text to train on [default: the sources and the book of this workspace]
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,

    /// Directory to save weights, optimizer and step count in
    #[arg(long, value_name = "DIR", default_value = "target/train-gpt")]
    pub save: PathBuf,

    /// Directory of a saved run to go on from, on any number of stages
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,

    /// Train the plain model beside the pipeline, and print how far the two differ
    #[arg(long)]
    pub compare: bool,

    /// File to draw the last step in, as it was predicted and as it was measured: .svg, .json (a
    /// Chrome trace) or .txt, or all three beside each other where it ends in none of them
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,

    /// Threads that a stage computes with [default: the cores shared by the stages]
    #[arg(long, value_name = "N")]
    pub threads_per_stage: Option<usize>,

    /// Where the cuts, the schedule and the micro-batches come from, if not from flags
    #[command(flatten)]
    pub planning: PlanArgs,
}

impl Args {
    /// Make sure that the flags agree with each other.
    ///
    /// # Errors
    ///
    /// When they do not, with the two that disagree.
    pub fn check(&self) -> Result<(), Error> {
        for (flag, value) in [
            ("--stages", self.num_stages()),
            ("--micro-batches", self.num_micro_batches()),
            ("--batch-size", self.batch_size),
            ("--layers", self.layers),
            ("--width", self.width),
            ("--heads", self.heads),
            ("--context", self.context),
            ("--steps", self.steps),
            ("--threads-per-stage", self.threads_per_stage()),
        ] {
            if value == 0 {
                let message = format!("{flag} is 0, but must be at least 1");
                return Err(Error::Options(message));
            }
        }
        let Self {
            batch_size,
            layers,
            width,
            heads,
            dropout,
            learning_rate,
            ..
        } = self;
        let (stages, micro_batches) = (self.num_stages(), self.num_micro_batches());
        let num_layers = layers + 2;
        let rules = [
            (
                width.is_multiple_of(*heads),
                format!("--width {width} is not divisible by --heads {heads}: change one of them"),
            ),
            (
                micro_batches <= *batch_size,
                format!(
                    "--micro-batches {micro_batches} are more than --batch-size {batch_size} can fill: lower the one or raise the other"
                ),
            ),
            (
                stages <= num_layers,
                format!(
                    "--stages {stages} are more than the {num_layers} layers of the model: use fewer stages, or more than {layers} --layers"
                ),
            ),
            (
                *learning_rate > 0.0 && *learning_rate <= 1.0,
                format!(
                    "--learning-rate {learning_rate} is out of range: give more than 0 and at most 1"
                ),
            ),
            (
                (0.0..1.0).contains(dropout),
                format!("--dropout {dropout} is no probability: give at least 0 and less than 1"),
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, message)) => Err(Error::Options(message)),
            None => self.planning.check(num_layers, *batch_size),
        }
    }

    /// The shape of the model.
    pub fn model(&self) -> GptConfig {
        GptConfig::new(self.layers, self.width, self.heads, self.context)
            .with_dropout(self.dropout)
            .with_tie_embeddings(self.tie_embeddings)
    }

    /// How the pipeline trains: by the plan, by the schedule of the file, or by the flags.
    pub fn pipeline(&self) -> PipelineConfig {
        let config = match (&self.planning.plan, &self.schedule_file) {
            (Some(plan), _) => PipelineConfig::from_plan(plan),
            (None, Some(schedule)) => PipelineConfig::new().with_schedule(schedule.clone().into()),
            (None, None) => PipelineConfig::new()
                .with_schedule(self.schedule.clone())
                .with_rematerialization(self.rematerialization),
        };
        config
            .with_num_micro_batches(self.num_micro_batches())
            .with_seed(self.seed)
            .with_threads_per_stage(Some(self.threads_per_stage()))
    }

    /// The number of stages: as given, or as a plan or a schedule of one's own has it. What
    /// `--auto` has yet to plan is 1.
    pub fn num_stages(&self) -> usize {
        let planned = || self.planning.num_stages();
        let own = || self.own_schedule().map(Schedule::num_stages);
        let stages = self.stages.or_else(planned).or_else(own);
        stages.unwrap_or(NUM_STAGES)
    }

    /// The number of micro-batches: as given, or as a plan or a schedule of one's own has it. What
    /// `--auto` has yet to plan is 1.
    pub fn num_micro_batches(&self) -> usize {
        let planned = || self.planning.num_micro_batches();
        let own = || self.own_schedule().map(Schedule::num_micro_batches);
        let micro_batches = self.micro_batches.or_else(planned).or_else(own);
        micro_batches.unwrap_or(NUM_MICRO_BATCHES)
    }

    fn own_schedule(&self) -> Option<&Schedule> {
        match (&self.schedule_file, &self.schedule) {
            (Some(schedule), _) | (None, ScheduleKind::Custom(schedule)) => Some(schedule),
            _ => None,
        }
    }

    /// The threads of each stage: as given, or an even share of the machine's cores.
    pub fn threads_per_stage(&self) -> usize {
        let even = || even_threads(self.num_stages());
        self.threads_per_stage.unwrap_or_else(even)
    }
}

/// An even share of the machine's cores for so many stages.
pub(crate) fn even_threads(num_stages: usize) -> usize {
    let num_cores = available_parallelism().map_or(1, usize::from);
    (num_cores / num_stages.max(1)).max(1)
}

fn rematerialization(name: &str) -> Rematerialization {
    match name {
        "never" => Rematerialization::Never,
        "always" => Rematerialization::Always,
        _ => Rematerialization::ExceptLast,
    }
}
