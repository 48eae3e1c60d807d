use serde::{Deserialize, Serialize};

use crate::Instruction;

/// One instruction that one stage ran.
///
/// Times are in seconds since the start of the step. They are finite, and `end` is not before
/// `start`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The stage that ran the instruction.
    pub stage: usize,
    /// What it ran.
    pub instruction: Instruction,
    /// When it began, in seconds.
    pub start: f64,
    /// When it ended, in seconds.
    pub end: f64,
    /// How long of that the stage moved data: took a boundary or a gradient to its device, or
    /// handed one over. In seconds.
    #[serde(default)]
    pub moving: f32,
}

impl Span {
    /// An instruction that moved no data.
    pub fn new(stage: usize, instruction: Instruction, start: f64, end: f64) -> Self {
        Self {
            stage,
            instruction,
            start,
            end,
            moving: 0.0,
        }
    }
}
