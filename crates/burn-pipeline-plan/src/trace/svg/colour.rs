use std::{collections::BTreeSet, fmt};

use super::super::panel::Panels;
use crate::{Instruction, Op};

/// A colour, as red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colour([u8; 3]);

impl Colour {
    pub(super) const IDLE: Self = Self([0xf0, 0xf0, 0xf0]);

    /// How bright it is in grey print, from 0 to 1.
    fn luma(self) -> f64 {
        let [red, green, blue] = self.0.map(|it| f64::from(it) / 255.0);
        0.299 * red + 0.587 * green + 0.114 * blue
    }

    /// What can be read on it.
    pub(super) fn ink(self) -> &'static str {
        if self.luma() < 0.5 { "#fff" } else { "#222" }
    }

    fn towards(self, other: Self, share: f64) -> Self {
        let channel = |from: u8, to: u8| {
            (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8
        };
        Self(std::array::from_fn(|i| channel(self.0[i], other.0[i])))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// The colours of a drawing.
pub(super) struct Palette {
    /// The operations that occur, each with its chunks.
    occurring: BTreeSet<(Op, usize)>,
    num_chunks: usize,
}

impl Palette {
    pub(super) fn of(panels: &Panels) -> Self {
        let spans = panels.iter().flat_map(|it| it.timeline.spans());
        let occurring: BTreeSet<(Op, usize)> = spans
            .map(|it| (it.instruction.op(), it.instruction.chunk()))
            .collect();
        let last = occurring.iter().map(|&(_, chunk)| chunk).max();
        Self {
            occurring,
            num_chunks: last.map_or(0, |last| last + 1),
        }
    }

    /// One more than the last chunk.
    pub(super) fn num_chunks(&self) -> usize {
        self.num_chunks
    }

    /// The colours of an operation, by chunk: none if it does not occur.
    pub(super) fn colours(&self, op: Op) -> Vec<Colour> {
        let chunks = self.occurring.iter().filter(|&&(it, _)| it == op);
        chunks.map(|&(op, chunk)| self.shade(op, chunk)).collect()
    }

    pub(super) fn colour(&self, instruction: Instruction) -> Colour {
        self.shade(instruction.op(), instruction.chunk())
    }

    /// Light blue, orange and dark green: also light, middle and dark grey.
    fn shade(&self, op: Op, chunk: usize) -> Colour {
        let (first, last) = match op {
            Op::Forward => ([0xb8, 0xdc, 0xf4], [0x86, 0xc2, 0xea]),
            Op::Recompute => ([0xec, 0x9a, 0x2a], [0xd0, 0x80, 0x10]),
            Op::Backward => ([0x1a, 0x92, 0x74], [0x08, 0x4c, 0x3c]),
        };
        let share = chunk as f64 / (self.num_chunks.max(2) - 1) as f64;
        Colour(first).towards(Colour(last), share)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::operations::OPERATIONS, *};
    use rstest::rstest;

    #[rstest]
    fn operations_differ_in_grey_print_on_any_chunk(#[values(1, 2, 8)] num_chunks: usize) {
        let palette = Palette {
            occurring: BTreeSet::new(),
            num_chunks,
        };
        let mut darkest = Colour::IDLE.luma();
        for (op, _) in OPERATIONS {
            let lumas = (0..num_chunks).map(|chunk| palette.shade(op, chunk).luma());
            let lumas: Vec<f64> = lumas.collect();
            assert!(lumas.is_sorted_by(|a, b| a > b));
            assert!(lumas[0] < darkest - 0.05, "{op:?}: {lumas:?}");
            darkest = lumas[num_chunks - 1];
        }
    }
}
