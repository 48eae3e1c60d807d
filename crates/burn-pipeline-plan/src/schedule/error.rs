use thiserror::Error;

use super::{Instruction, Op};

/// What is wrong with a schedule, where, and what to change.
///
/// Positions count from 0 in the list of the stage. A `drawing` is the text form of the schedule
/// on lines of its own, with `^` below the instructions that are wrong. Of a schedule that does not
/// fit on a screen, it is what is around them, or empty if none is there to be marked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ScheduleError {
    /// There is nothing to run.
    #[error(
        "{num_stages} stages of {num_chunks} chunks and {num_micro_batches} micro-batches make no \
         schedule: use at least 1 of each"
    )]
    Empty {
        num_stages: usize,
        num_chunks: usize,
        num_micro_batches: usize,
    },

    /// There is more to run than fits into memory.
    #[error(
        "{num_stages} stages of {num_chunks} chunks and {num_micro_batches} micro-batches make a \
         schedule of more than 2^31 forwards: use fewer of them"
    )]
    TooLarge {
        num_stages: usize,
        num_chunks: usize,
        num_micro_batches: usize,
    },

    /// A custom schedule is for other numbers than are asked for.
    #[error(
        "the schedule is for {num_stages} stages and {num_micro_batches} micro-batches, but \
         {expected_stages} stages and {expected_micro_batches} micro-batches are asked for: write \
         it for as many of both"
    )]
    Custom {
        num_stages: usize,
        num_micro_batches: usize,
        expected_stages: usize,
        expected_micro_batches: usize,
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
        "stage {stage} runs {num_found} of {num_micro_batches} micro-batches {}{}, and never \
         {instruction}: {}{drawing}",
        direction(instruction.op()),
        on_chunk(instruction, *num_chunks),
        remedy(instruction, *num_chunks)
    )]
    Missing {
        stage: usize,
        instruction: Instruction,
        num_found: usize,
        num_micro_batches: usize,
        num_chunks: usize,
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

    /// Stages wait for each other, in a circle.
    #[error("deadlock: {}{drawing}", circle(waits))]
    Deadlock { waits: Vec<Wait>, drawing: String },

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

    /// A cell of the CSV form cannot be read.
    #[error("line {line}, cell {cell}: `{token}` {fault}")]
    Cell {
        line: usize,
        cell: usize,
        token: String,
        fault: CellFault,
    },

    /// A line of the CSV form is blank, and stages follow.
    #[error("line {line} is blank: take it out, or write `\"\"` for a stage that runs nothing")]
    BlankLine { line: usize },

    /// A text is no [`ScheduleKind`](crate::ScheduleKind).
    #[error(
        "`{given}` is no schedule: use `gpipe`, `1f1b`, `interleaved:2` or `breadth-first:2` (2 \
         chunks per stage), or the text of one, `stage 0 F0 B0`"
    )]
    Kind { given: String },

    /// A word is no [`Rematerialization`](crate::Rematerialization).
    #[error("`{given}` is no rematerialization: use `never`, `except-last` or `always`")]
    Rematerialization { given: String },
}

/// Why a cell of the CSV form cannot be read, and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum CellFault {
    /// It does not look like an instruction.
    #[error("is no instruction: write the stage index, F, R or B, and a micro-batch, like 0F3")]
    Malformed,

    /// It is one half of a backward pass, as zero-bubble schedules have it.
    #[error(
        "runs the backward pass of inputs and weights apart, which is not supported: use one B \
         for both"
    )]
    SplitBackward,

    /// It sends, receives, gathers or reduces.
    #[error(
        "is communication, which follows from the order here: store the compute-only form, \
         `format=\"compute_only\"`"
    )]
    Communication,

    /// It runs two instructions at the same time.
    #[error("runs two instructions at once, which is not supported: give each its own cell")]
    Overlap,

    /// It is on the line of another stage.
    #[error(
        "has stage index {index}, which belongs on line {line} of {num_stages}: write index i on \
         line i % {num_stages} + 1, as V-shaped placements are not supported"
    )]
    OtherStage {
        index: usize,
        line: usize,
        num_stages: usize,
    },
}

fn direction(op: Op) -> &'static str {
    match op {
        Op::Forward => "forward",
        Op::Recompute | Op::Backward => "backward",
    }
}

fn on_chunk(missing: &Instruction, num_chunks: usize) -> String {
    match num_chunks {
        1 => String::new(),
        _ => format!(" on chunk {}", missing.chunk()),
    }
}

fn remedy(missing: &Instruction, num_chunks: usize) -> String {
    match missing.op() {
        Op::Forward if num_chunks > 1 => format!(
            "add it, or take chunk {} out of every stage",
            missing.chunk().max(1)
        ),
        Op::Forward => format!(
            "add it, or take micro-batch {} out of every stage",
            missing.micro_batch()
        ),
        Op::Recompute | Op::Backward => "add it, or take every R and B out of every stage".into(),
    }
}

/// Where a stage stops in a deadlock, and what it waits for there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The stage that stops.
    pub stage: usize,
    /// Where in its list.
    pub position: usize,
    /// What it would run there.
    pub instruction: Instruction,
    /// What that waits for.
    pub awaited: Instruction,
    /// The stage that has it, further down its list.
    pub awaited_stage: usize,
}

/// How many waits of a long circle are told.
const NUM_TOLD: usize = 8;

fn circle(waits: &[Wait]) -> String {
    let told = waits.iter().take(NUM_TOLD).map(|it| {
        format!(
            "stage {} stops at position {}, where {} waits for {} of stage {}",
            it.stage, it.position, it.instruction, it.awaited, it.awaited_stage
        )
    });
    let mut told = told.collect::<Vec<_>>().join(", and ");
    if let Some(more @ 1..) = waits.len().checked_sub(NUM_TOLD) {
        told += &format!(", and {more} more stages wait");
    }
    format!("{told}: {}", way_out(waits))
}

/// A forward that waits behind a backward is the likelier mistake.
fn way_out(waits: &[Wait]) -> String {
    let next = waits.iter().cycle().skip(1);
    let mut ends = waits
        .iter()
        .zip(next)
        .map(|(wait, next)| (wait.awaited, next));
    let forward = ends.clone().find(|(awaited, next)| {
        awaited.op() == Op::Forward && next.instruction.op() == Op::Backward
    });
    forward
        .or_else(|| ends.next())
        .map_or_else(String::new, |(awaited, stuck)| {
            format!(
                "move {awaited} of stage {} before its {}",
                stuck.stage, stuck.instruction
            )
        })
}
