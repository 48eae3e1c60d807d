use super::{Instruction, Op};

/// What an instruction waits for: an instruction, and the stage that runs it.
///
/// A Forward waits for the Forward of the stage before, a Backward for the Backward of the stage
/// after, and on the last stage for its own Forward. A Recompute starts from what its stage has
/// kept, as does the Forward of the first stage from the input: they wait for nothing.
pub(crate) fn waits_for(
    instruction: Instruction,
    stage: usize,
    num_stages: usize,
) -> Option<(usize, Instruction)> {
    match instruction.op {
        Op::Forward => Some((stage.checked_sub(1)?, instruction)),
        Op::Recompute => None,
        Op::Backward if stage + 1 < num_stages => Some((stage + 1, instruction)),
        Op::Backward => Some((
            stage,
            Instruction {
                op: Op::Forward,
                ..instruction
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("F2", 0, None)]
    #[case("F2", 1, Some((0, "F2")))]
    #[case("R2", 1, None)]
    #[case("B2", 1, Some((2, "B2")))]
    #[case("B2", 2, Some((2, "F2")))]
    fn each_instruction_of_three_stages_waits_for_its_neighbour(
        #[case] instruction: &str,
        #[case] stage: usize,
        #[case] expected: Option<(usize, &str)>,
    ) {
        let awaited = waits_for(Instruction::parse(instruction).unwrap(), stage, 3);
        let expected = expected.map(|(stage, it)| (stage, Instruction::parse(it).unwrap()));
        assert_eq!(awaited, expected);
    }
}
