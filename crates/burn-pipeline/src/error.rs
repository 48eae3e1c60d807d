use std::any::Any;

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

    /// A model could not be profiled.
    #[error("{0}")]
    Profile(String),

    /// An optimizer's step could not be taken.
    #[error("{0}")]
    Optimizer(String),

    /// A stage failed.
    #[error(transparent)]
    Stage(Box<StageError>),

    /// A device is lost, and what was on it.
    #[error(transparent)]
    DeviceLost(Box<LostDevice>),
}

/// The first failure of a step: where, and the message of the panic that was its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageError {
    /// The stage, from 0.
    pub stage: usize,
    /// The device of the stage, by the name that it was opened with; those of a group, joined by
    /// "and".
    pub device: String,
    /// What the stage was doing.
    pub instruction: Instruction,
    /// The layer that was running, when one was: its index in the model and the path of its field.
    pub layer: Option<(usize, String)>,
    /// Whether the loss was being computed.
    pub in_loss: bool,
    /// What the failing code said.
    pub message: String,
}

impl std::error::Error for StageError {}

impl core::fmt::Display for StageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "stage {} on `{}` failed in {}",
            self.stage,
            self.device,
            named(self.instruction)
        )?;
        match (&self.layer, self.in_loss) {
            (Some((index, path)), _) => write!(f, ", in layer {index} `{path}`")?,
            (None, true) => f.write_str(", in the loss")?,
            (None, false) => {}
        }
        let message = self.message.trim_end_matches('.');
        write!(
            f,
            ": {message}. Nothing has changed: mend the cause and go on."
        )
    }
}

/// An instruction in words.
pub(crate) fn named(instruction: Instruction) -> String {
    let op = match instruction.op() {
        Op::Forward => "forward",
        Op::Recompute => "recompute",
        Op::Backward => "backward",
    };
    let micro_batch = instruction.micro_batch();
    format!("{op} of micro-batch {micro_batch} ({instruction})")
}

/// A device that no longer does what it is told, since its server is gone or has forgotten this
/// program, and with it the parameters of its stage.
///
/// The other stages have kept theirs. A new pipeline goes on from what was [saved](crate::Saved)
/// last, on devices that answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "stage {stage} has lost its device `{device}` in {doing}: {message}. The parameters that were there are lost, and the other stages have kept theirs: make a new pipeline of what was saved last, on devices that answer"
)]
pub struct LostDevice {
    /// The stage, from 0.
    pub stage: usize,
    /// The device, by the name that it was opened with: the stage's, or another one of its group.
    pub device: String,
    /// What was being done when it was noticed.
    pub doing: String,
    /// How it was noticed.
    pub message: String,
}

impl From<LostDevice> for PipelineError {
    fn from(lost: LostDevice) -> Self {
        Self::DeviceLost(Box::new(lost))
    }
}

impl From<StageError> for PipelineError {
    fn from(error: StageError) -> Self {
        Self::Stage(Box::new(error))
    }
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_string(),
        (_, Some(message)) => message.clone(),
        _ => "a panic without a message".to_string(),
    }
}
