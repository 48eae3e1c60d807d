use burn_pipeline_plan::{Instruction, Op, PartitionError, ScheduleError};
use thiserror::Error;

/// Why a pipeline could not be made, or why a step could not be taken.
///
/// A training step that ends in an error changed nothing, unless a device itself was lost:
/// parameters, running statistics and the
/// count of steps are as before it, every worker waits for the next one, and the pipeline stays
/// usable. An optimizer's step says itself what has become of it.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The placement cuts the model where it cannot be cut.
    #[error("the placement does not fit the model: {0}")]
    Partition(#[from] PartitionError),

    /// The schedule cannot run.
    #[error("the schedule cannot run: {0}")]
    Schedule(#[from] ScheduleError),

    /// The configuration, or the model in it, cannot be trained as it is.
    #[error("{0}")]
    Configuration(String),

    /// The mini-batch cannot be split, or its outputs cannot be joined.
    #[error("{0}")]
    Batch(String),

    /// A worker failed outside the instructions of its stage.
    #[error("{0}")]
    Worker(String),

    /// An optimizer's step could not be taken.
    #[error("{0}")]
    Optimizer(String),

    /// A stage failed.
    #[error(transparent)]
    Stage(Box<StageError>),
}

/// The first failure of a step: where, and the message of the panic that was its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageError {
    /// The stage, from 0.
    pub stage: usize,
    /// The device of the stage, by the name that it was opened with.
    pub device: String,
    /// What the stage was doing.
    pub instruction: Instruction,
    /// The layer that was running, when one was: its index in the model and the path of its field.
    pub layer: Option<(usize, String)>,
    /// Whether the loss was being computed.
    pub in_loss: bool,
    /// Whether the device is lost, and with it the parameters of the stage: its server is gone, or
    /// no longer knows this program.
    pub device_lost: bool,
    /// What the failing code said.
    pub message: String,
}

impl std::error::Error for StageError {}

impl core::fmt::Display for StageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let op = match self.instruction.op() {
            Op::Forward => "forward",
            Op::Recompute => "recompute",
            Op::Backward => "backward",
        };
        write!(
            f,
            "stage {} on `{}` failed in {} of micro-batch {} ({})",
            self.stage,
            self.device,
            op,
            self.instruction.micro_batch(),
            self.instruction
        )?;
        match (&self.layer, self.in_loss) {
            (Some((index, path)), _) => write!(f, ", in layer {index} `{path}`")?,
            (None, true) => f.write_str(", in the loss")?,
            (None, false) => {}
        }
        let message = self.message.trim_end_matches('.');
        match self.device_lost {
            false => write!(
                f,
                ": {message}. Nothing has changed: mend the cause and go on."
            ),
            true => write!(
                f,
                ": {message}. The parameters that were there are lost, and the other stages have \
                 kept theirs: make a new pipeline of what was saved last, on devices that answer."
            ),
        }
    }
}

impl From<StageError> for PipelineError {
    fn from(error: StageError) -> Self {
        Self::Stage(Box::new(error))
    }
}
