use super::Instruction;

/// The first `num_warm_up` of the forwards, then a forward and a backward in turn until the
/// forwards are used up, then the backwards left.
pub(super) fn warm_up(
    num_warm_up: usize,
    mut forwards: impl ExactSizeIterator<Item = Instruction>,
    mut backwards: impl ExactSizeIterator<Item = Instruction>,
) -> Vec<Instruction> {
    let mut instructions = Vec::with_capacity(forwards.len() + backwards.len());
    instructions.extend(forwards.by_ref().take(num_warm_up));
    for forward in forwards {
        instructions.push(forward);
        instructions.extend(backwards.next());
    }
    instructions.extend(backwards);
    instructions
}
