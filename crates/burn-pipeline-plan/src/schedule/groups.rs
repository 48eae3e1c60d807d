use std::ops::Range;

use super::{Instruction, Op};

/// The micro-batches that a stage takes through one chunk before it turns to the next.
///
/// A group of as many micro-batches as there are stages keeps all of them busy: when the first
/// stage is through with it, its first micro-batch is back from the last stage. So groups are at
/// least that large, as equal as can be, the larger ones first; with fewer micro-batches than
/// stages there is one group.
pub(super) struct Groups {
    num_groups: usize,
    num_micro_batches: usize,
    num_chunks: usize,
}

impl Groups {
    pub(super) fn new(num_stages: usize, num_chunks: usize, num_micro_batches: usize) -> Self {
        Self {
            num_groups: (num_micro_batches / num_stages).max(1),
            num_micro_batches,
            num_chunks,
        }
    }

    /// The number of micro-batches of the largest group, which is the first one.
    pub(super) fn largest(&self) -> usize {
        self.num_micro_batches.div_ceil(self.num_groups)
    }

    fn group(&self, index: usize) -> Range<usize> {
        let (small, num_large) = (
            self.num_micro_batches / self.num_groups,
            self.num_micro_batches % self.num_groups,
        );
        let start = |index: usize| index * small + index.min(num_large);
        start(index)..start(index + 1)
    }

    /// All forwards of a stage: each group through all chunks, then the next group.
    pub(super) fn forwards(&self) -> Vec<Instruction> {
        self.instructions(Op::Forward, |chunk| chunk)
    }

    /// All backwards of a stage: each group back through all chunks, then the next group.
    pub(super) fn backwards(&self) -> Vec<Instruction> {
        self.instructions(Op::Backward, |chunk| self.num_chunks - 1 - chunk)
    }

    fn instructions(&self, op: Op, order: impl Fn(usize) -> usize) -> Vec<Instruction> {
        let mut instructions = Vec::with_capacity(self.num_micro_batches * self.num_chunks);
        for group in 0..self.num_groups {
            for chunk in (0..self.num_chunks).map(&order) {
                let group = self.group(group);
                instructions.extend(group.map(|m| Instruction::new(op, m).on_chunk(chunk)));
            }
        }
        instructions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(4, 8, &[4, 4])]
    #[case(4, 9, &[5, 4])]
    #[case(4, 7, &[7])]
    #[case(4, 3, &[3])]
    #[case(1, 3, &[1, 1, 1])]
    fn groups_are_as_equal_as_they_can_be(
        #[case] num_stages: usize,
        #[case] num_micro_batches: usize,
        #[case] expected: &[usize],
    ) {
        let groups = Groups::new(num_stages, 2, num_micro_batches);
        let groups_of = (0..groups.num_groups).map(|it| groups.group(it));
        assert_eq!(
            groups_of.clone().map(|it| it.len()).collect::<Vec<_>>(),
            expected
        );
        assert!(groups_of.flatten().eq(0..num_micro_batches));
        assert_eq!(groups.largest(), expected[0]);
    }
}
