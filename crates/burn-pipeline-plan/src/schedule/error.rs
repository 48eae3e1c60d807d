use thiserror::Error;

use super::{Instruction, Op};

/// What is wrong with a schedule, where, and what to change.
///
/// Positions count from 0 in the list of the stage. A `drawing` is the text form of the schedule
/// on lines of its own, or empty if the schedule does not fit on a screen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ScheduleError {
    /// There is nothing to run.
    #[error(
        "{num_stages} stages and {num_micro_batches} micro-batches make no schedule: \
         use at least 1 of each"
    )]
    Empty {
        num_stages: usize,
        num_micro_batches: usize,
    },

    /// A stage names a chunk other than 0.
    #[error(
        "stage {stage} has 1 chunk, but {instruction} at position {position} runs on chunk {}: \
         write it without a chunk{drawing}",
        instruction.chunk
    )]
    Chunk {
        stage: usize,
        position: usize,
        instruction: Instruction,
        drawing: String,
    },

    /// A stage runs an instruction twice.
    #[error(
        "stage {stage} runs {instruction} 2 times, at positions {first} and {position}: \
         remove one of them{drawing}"
    )]
    Repeated {
        stage: usize,
        position: usize,
        first: usize,
        instruction: Instruction,
        drawing: String,
    },

    /// A stage does not run every micro-batch forward, or not every one backward.
    #[error(
        "stage {stage} runs {num_found} of {num_micro_batches} micro-batches {}, and never \
         {instruction}: {}{drawing}",
        direction(instruction.op),
        remedy(instruction)
    )]
    Missing {
        stage: usize,
        instruction: Instruction,
        num_found: usize,
        num_micro_batches: usize,
        drawing: String,
    },

    /// A stage runs the instructions of one micro-batch in a wrong order.
    #[error(
        "stage {stage} runs {instruction} at position {position}, before {earlier} at position \
         {earlier_position}: move {instruction} behind {earlier}{drawing}"
    )]
    Order {
        stage: usize,
        position: usize,
        instruction: Instruction,
        earlier_position: usize,
        earlier: Instruction,
        drawing: String,
    },

    /// Two neighbouring stages wait for each other.
    #[error(
        "deadlock: stage {stage} stops at position {position}, where {instruction} waits for \
         {instruction} of stage {next_stage}, and stage {next_stage} stops at position \
         {next_position}, where {next_instruction} waits for {next_instruction} of stage {stage}: \
         move {next_instruction} of stage {stage} before its {instruction}{drawing}",
        next_stage = stage + 1
    )]
    Deadlock {
        stage: usize,
        position: usize,
        instruction: Instruction,
        next_position: usize,
        next_instruction: Instruction,
        drawing: String,
    },

    /// A line of the text form does not begin with its stage.
    #[error("line {line} begins with `{found}` instead of `{expected}`: number the stages from 0")]
    Label {
        line: usize,
        found: String,
        expected: String,
    },

    /// A word of the text form is no instruction.
    #[error(
        "line {line}: `{token}` is no instruction: write F, R or B and a micro-batch, like F3, \
         and a chunk other than 0 after a point, like F3.1"
    )]
    Token { line: usize, token: String },

    /// A word is no [`Rematerialization`](crate::Rematerialization).
    #[error("`{given}` is no rematerialization: use `never`, `except-last` or `always`")]
    Rematerialization { given: String },
}

fn direction(op: Op) -> &'static str {
    match op {
        Op::Forward => "forward",
        Op::Recompute | Op::Backward => "backward",
    }
}

fn remedy(missing: &Instruction) -> String {
    match missing.op {
        Op::Forward => format!(
            "add it, or take micro-batch {} out of every stage",
            missing.micro_batch
        ),
        Op::Recompute | Op::Backward => "add it, or take every R and B out of every stage".into(),
    }
}
