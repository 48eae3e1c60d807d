use super::{Instruction, Op};

/// How the chunks of the stages follow each other along the model: chunk `c` of stage `s` of `K`
/// is at place `c * K + s`, so the last stage hands over to the next chunk of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) num_stages: usize,
    pub(crate) num_chunks: usize,
}

impl Layout {
    /// Where a chunk is along the model.
    pub(crate) fn place(self, stage: usize, chunk: usize) -> usize {
        chunk * self.num_stages + stage
    }

    /// The stage and the chunk at a place.
    pub(crate) fn at(self, place: usize) -> (usize, usize) {
        (place % self.num_stages, place / self.num_stages)
    }

    /// What an instruction waits for: an instruction, and the stage that runs it.
    ///
    /// A Forward waits for the Forward at the place before, a Backward for the Backward at the
    /// place after, and at the last place for its own Forward. A Recompute starts from what its
    /// stage has kept, as does the Forward at the first place from the input: they wait for
    /// nothing.
    pub(crate) fn waits_for(
        self,
        instruction: Instruction,
        stage: usize,
    ) -> Option<(usize, Instruction)> {
        let (op, chunk) = (instruction.op(), instruction.chunk());
        let on = |chunk| instruction.on_chunk(chunk);
        match op {
            Op::Forward if stage > 0 => Some((stage - 1, instruction)),
            Op::Forward => Some((self.num_stages - 1, on(chunk.checked_sub(1)?))),
            Op::Recompute => None,
            Op::Backward if stage + 1 < self.num_stages => Some((stage + 1, instruction)),
            Op::Backward if chunk + 1 < self.num_chunks => Some((0, on(chunk + 1))),
            Op::Backward => Some((stage, instruction.with_op(Op::Forward))),
        }
    }

    /// The stage that waits for an instruction of `stage`, if another one does.
    pub(crate) fn awaited_by(self, instruction: Instruction, stage: usize) -> Option<usize> {
        let last = self.num_stages - 1;
        match instruction.op() {
            Op::Forward if stage < last => Some(stage + 1),
            Op::Forward => (instruction.chunk() + 1 < self.num_chunks).then_some(0),
            Op::Recompute => None,
            Op::Backward if stage > 0 => Some(stage - 1),
            Op::Backward => (instruction.chunk() > 0).then_some(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("F2", 0, None)]
    #[case("F2", 1, Some((0, "F2")))]
    #[case("F2.1", 0, Some((2, "F2")))]
    #[case("F2.1", 2, Some((1, "F2.1")))]
    #[case("R2", 1, None)]
    #[case("B2", 1, Some((2, "B2")))]
    #[case("B2", 2, Some((0, "B2.1")))]
    #[case("B2.1", 2, Some((2, "F2.1")))]
    fn each_instruction_of_three_stages_waits_for_the_place_beside_it(
        #[case] instruction: &str,
        #[case] stage: usize,
        #[case] expected: Option<(usize, &str)>,
    ) {
        let layout = Layout {
            num_stages: 3,
            num_chunks: 2,
        };
        let awaited = layout.waits_for(Instruction::parse(instruction).unwrap(), stage);
        let expected = expected.map(|(stage, it)| (stage, Instruction::parse(it).unwrap()));
        assert_eq!(awaited, expected);
    }

    #[rstest]
    #[case("F2", 0, Some(1))]
    #[case("F2", 2, Some(0))]
    #[case("F2.1", 2, None)]
    #[case("R2", 1, None)]
    #[case("B2.1", 0, Some(2))]
    #[case("B2", 0, None)]
    fn the_stage_beside_it_waits_for_each_instruction(
        #[case] instruction: &str,
        #[case] stage: usize,
        #[case] expected: Option<usize>,
    ) {
        let layout = Layout {
            num_stages: 3,
            num_chunks: 2,
        };
        let instruction = Instruction::parse(instruction).unwrap();
        assert_eq!(layout.awaited_by(instruction, stage), expected);
    }

    #[test]
    fn places_go_round_the_stages() {
        let layout = Layout {
            num_stages: 3,
            num_chunks: 2,
        };
        let places: Vec<_> = (0..6).map(|place| layout.at(place)).collect();
        assert_eq!(places, [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]);
        for (place, (stage, chunk)) in places.into_iter().enumerate() {
            assert_eq!(layout.place(stage, chunk), place);
        }
    }
}
