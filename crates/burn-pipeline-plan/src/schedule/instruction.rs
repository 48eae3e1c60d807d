use std::fmt;

use serde::{Deserialize, Serialize};

/// What an [`Instruction`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Runs the stage's layers on the boundary that the stage before hands over.
    Forward,
    /// Runs the stage's layers again, for the values that the forward pass did not keep.
    Recompute,
    /// Pulls the gradient that the stage after hands over back through the stage's layers.
    Backward,
}

impl Op {
    /// The letter that stands for the operation wherever a schedule is drawn.
    pub(crate) fn letter(self) -> char {
        match self {
            Op::Forward => 'F',
            Op::Recompute => 'R',
            Op::Backward => 'B',
        }
    }
}

/// Forward, Recompute or Backward of one micro-batch on one stage.
///
/// It is written as its letter and its micro-batch, `F3`, `R3` or `B3`. The chunk follows after a
/// point where it is not 0: `F3.1` is the Forward of micro-batch 3 on chunk 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instruction {
    op: Op,
    micro_batch: u32,
    chunk: u32,
}

impl Instruction {
    /// An operation on a micro-batch, counted from 0, on chunk 0.
    ///
    /// # Panics
    ///
    /// If the micro-batch is not below 2^32.
    pub fn new(op: Op, micro_batch: usize) -> Self {
        Self {
            op,
            micro_batch: number(micro_batch),
            chunk: 0,
        }
    }

    /// The Forward of a micro-batch on chunk 0.
    pub fn forward(micro_batch: usize) -> Self {
        Self::new(Op::Forward, micro_batch)
    }

    /// The Recompute of a micro-batch on chunk 0.
    pub fn recompute(micro_batch: usize) -> Self {
        Self::new(Op::Recompute, micro_batch)
    }

    /// The Backward of a micro-batch on chunk 0.
    pub fn backward(micro_batch: usize) -> Self {
        Self::new(Op::Backward, micro_batch)
    }

    /// The same on another chunk, counted from 0.
    ///
    /// # Panics
    ///
    /// If the chunk is not below 2^32.
    pub fn on_chunk(self, chunk: usize) -> Self {
        Self {
            chunk: number(chunk),
            ..self
        }
    }

    /// Another operation on the same micro-batch and chunk.
    pub fn with_op(self, op: Op) -> Self {
        Self { op, ..self }
    }

    /// What to do.
    pub fn op(self) -> Op {
        self.op
    }

    /// The micro-batch to do it with, counted from 0.
    pub fn micro_batch(self) -> usize {
        self.micro_batch as usize
    }

    /// The chunk of the stage to do it on, counted from 0.
    pub fn chunk(self) -> usize {
        self.chunk as usize
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let (letter, numbers) = token.split_at_checked(1)?;
        let op = match letter {
            "F" => Op::Forward,
            "R" => Op::Recompute,
            "B" => Op::Backward,
            _ => return None,
        };
        let (micro_batch, chunk) = numbers.split_once('.').unwrap_or((numbers, "0"));
        Some(Self {
            op,
            micro_batch: parse_digits(micro_batch)?,
            chunk: parse_digits(chunk)?,
        })
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.op.letter(), self.micro_batch)?;
        match self.chunk {
            0 => Ok(()),
            chunk => write!(f, ".{chunk}"),
        }
    }
}

/// Narrow, so that schedules of millions of instructions stay small.
fn number(number: usize) -> u32 {
    u32::try_from(number).expect("micro-batches and chunks are numbered below 2^32")
}

fn parse_digits(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Instruction::forward(3), "F3")]
    #[case(Instruction::recompute(0), "R0")]
    #[case(Instruction::backward(12), "B12")]
    #[case(Instruction::forward(3).on_chunk(2), "F3.2")]
    fn an_instruction_is_written_and_read_the_same_way(
        #[case] instruction: Instruction,
        #[case] text: &str,
    ) {
        assert_eq!(instruction.to_string(), text);
        assert_eq!(Instruction::parse(text), Some(instruction));
    }

    #[rstest]
    fn a_token_that_is_no_instruction_is_not_read(
        #[values(
            "",
            "F",
            "3",
            "X3",
            "f3",
            "F+3",
            "F-1",
            "F3.",
            "F.1",
            "F3.1.2",
            "é3",
            "F4294967296"
        )]
        token: &str,
    ) {
        assert_eq!(Instruction::parse(token), None);
    }

    #[test]
    fn an_instruction_is_serialized_by_its_field_names() {
        let json = serde_json::to_string(&Instruction::forward(3)).unwrap();
        assert_eq!(json, r#"{"op":"forward","micro_batch":3,"chunk":0}"#);
    }
}
