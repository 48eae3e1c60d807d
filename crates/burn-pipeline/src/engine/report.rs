//! What a worker tells the caller when its part of a step has ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use burn_pipeline_plan::{Instruction, Span};

use super::inbox::Stopped;
use crate::StageError;
use crate::error::message_of;

/// How a worker's part of a step ended, and what it ran when.
pub(crate) struct Report<T> {
    pub(crate) outcome: Result<T, Halt>,
    pub(crate) spans: Vec<Span>,
}

/// Why a worker did not run its instructions to the end.
pub(crate) enum Halt {
    /// A neighbour is gone; it has the cause.
    Stopped,
    /// This worker is the cause.
    Failed { at: Instant, error: StageError },
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Elsewhere => Self::Stopped,
            Stopped::Lost(error) => Self::Failed {
                at: Instant::now(),
                error: *error,
            },
        }
    }
}

/// Where a stage is, so that a panic can be placed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Position {
    pub(crate) layer: Option<(usize, String)>,
    pub(crate) in_loss: bool,
}

/// Run `work` and turn a panic into the error of `instruction` on `stage`.
pub(crate) fn guarded<S, T>(
    stage: usize,
    instruction: Instruction,
    state: &mut S,
    work: impl FnOnce(&mut S) -> Result<T, Halt>,
    position: impl FnOnce(&S) -> Position,
) -> Result<T, Halt> {
    match catch_unwind(AssertUnwindSafe(|| work(state))) {
        Ok(outcome) => outcome,
        Err(panic) => {
            let Position { layer, in_loss } = position(state);
            let error = StageError {
                stage,
                device: String::new(),
                instruction,
                layer,
                in_loss,
                message: message_of(panic.as_ref()),
            };
            Err(Halt::Failed {
                at: Instant::now(),
                error,
            })
        }
    }
}

/// The outcomes of all stages, or the failure that came first.
pub(crate) fn outcomes<T>(reports: Vec<Report<T>>) -> Result<(Vec<T>, Vec<Span>), StageError> {
    let mut spans = Vec::new();
    let mut outcomes = Vec::new();
    let mut first: Option<(Instant, StageError)> = None;

    for report in reports {
        spans.extend(report.spans);
        match report.outcome {
            Ok(outcome) => outcomes.push(outcome),
            Err(Halt::Stopped) => {}
            Err(Halt::Failed { at, error }) => {
                if first.as_ref().is_none_or(|(earliest, _)| at < *earliest) {
                    first = Some((at, error));
                }
            }
        }
    }

    match first {
        Some((_, error)) => Err(error),
        None => Ok((outcomes, spans)),
    }
}
