use super::{Instruction, Op, Schedule, ScheduleError};

/// Checks that a stage runs every micro-batch once, and each one's instructions in order.
pub(super) fn check_complete(
    schedule: &Schedule,
    stage: usize,
    forward_only: bool,
) -> Result<(), ScheduleError> {
    let positions = positions(schedule, stage)?;
    check_every(schedule, stage, &positions, Op::Forward)?;
    if !forward_only {
        check_every(schedule, stage, &positions, Op::Backward)?;
    }
    check_order(schedule, stage, &positions)
}

/// Where a stage runs the instructions of one micro-batch, in the order of [`Op`].
type Positions = [Option<usize>; 3];

/// The positions of every micro-batch, or of one more than the stage has instructions for.
fn positions(schedule: &Schedule, stage: usize) -> Result<Vec<Positions>, ScheduleError> {
    let instructions = schedule.stage(stage);
    let num_positions = schedule.num_micro_batches().min(instructions.len() + 1);
    let mut positions = vec![Positions::default(); num_positions];
    for (position, &instruction) in instructions.iter().enumerate() {
        if instruction.chunk != 0 {
            return Err(ScheduleError::Chunk {
                stage,
                position,
                instruction,
                drawing: schedule.drawing(),
            });
        }
        let Some(of_micro_batch) = positions.get_mut(instruction.micro_batch) else {
            continue;
        };
        if let Some(first) = of_micro_batch[instruction.op as usize].replace(position) {
            return Err(ScheduleError::Repeated {
                stage,
                position,
                first,
                instruction,
                drawing: schedule.drawing(),
            });
        }
    }
    Ok(positions)
}

fn check_every(
    schedule: &Schedule,
    stage: usize,
    positions: &[Positions],
    op: Op,
) -> Result<(), ScheduleError> {
    let missing = positions.iter().position(|it| it[op as usize].is_none());
    let Some(micro_batch) = missing else {
        return Ok(());
    };
    let found = schedule.stage(stage).iter().filter(|it| it.op == op);
    Err(ScheduleError::Missing {
        stage,
        instruction: Instruction::new(op, micro_batch),
        num_found: found.count(),
        num_micro_batches: schedule.num_micro_batches(),
        drawing: schedule.drawing(),
    })
}

fn check_order(
    schedule: &Schedule,
    stage: usize,
    positions: &[Positions],
) -> Result<(), ScheduleError> {
    let out_of_order = positions.iter().find_map(|[forward, recompute, backward]| {
        let order = [*forward, *recompute, *backward].into_iter().flatten();
        let next = order.clone().skip(1);
        order.zip(next).find(|(earlier, later)| earlier > later)
    });
    let Some((earlier_position, position)) = out_of_order else {
        return Ok(());
    };
    let instructions = schedule.stage(stage);
    Err(ScheduleError::Order {
        stage,
        position,
        instruction: instructions[position],
        earlier_position,
        earlier: instructions[earlier_position],
        drawing: schedule.drawing(),
    })
}

#[cfg(test)]
mod tests {
    use crate::validate;
    use rstest::rstest;

    fn first_line(text: &str) -> String {
        let error = validate(&text.parse().unwrap()).unwrap_err().to_string();
        error.lines().next().unwrap().to_string()
    }

    #[rstest]
    #[case(
        "stage 0 F0 F1 F2.1 F2",
        "stage 0 has 1 chunk, but F2.1 at position 2 runs on chunk 1: write it without a chunk"
    )]
    #[case(
        "stage 0 F0 F1\nstage 1 F0 F1 F0",
        "stage 1 runs F0 2 times, at positions 0 and 2: remove one of them"
    )]
    #[case(
        "stage 0 F0 R0 R0 B0",
        "stage 0 runs R0 2 times, at positions 1 and 2: remove one of them"
    )]
    #[case(
        "stage 0 F0 F1 F2\nstage 1 F0 F1",
        "stage 1 runs 2 of 3 micro-batches forward, and never F2: \
         add it, or take micro-batch 2 out of every stage"
    )]
    #[case(
        "stage 0 F0 F18446744073709551615",
        "stage 0 runs 2 of 18446744073709551615 micro-batches forward, and never F1: \
         add it, or take micro-batch 1 out of every stage"
    )]
    #[case(
        "stage 0 F0 F1 B1 B0\nstage 1 F0 F1 B1",
        "stage 1 runs 1 of 2 micro-batches backward, and never B0: \
         add it, or take every R and B out of every stage"
    )]
    #[case(
        "stage 0 F0\nstage 1 F0 R0",
        "stage 0 runs 0 of 1 micro-batches backward, and never B0: \
         add it, or take every R and B out of every stage"
    )]
    #[case(
        "stage 0 F0 B1 F1 B0",
        "stage 0 runs B1 at position 1, before F1 at position 2: move B1 behind F1"
    )]
    #[case(
        "stage 0 F0 B0 R0",
        "stage 0 runs B0 at position 1, before R0 at position 2: move B0 behind R0"
    )]
    #[case(
        "stage 0 R0 F0 B0",
        "stage 0 runs R0 at position 0, before F0 at position 1: move R0 behind F0"
    )]
    fn an_incomplete_stage_is_named_with_the_remedy(#[case] text: &str, #[case] message: &str) {
        assert_eq!(first_line(text), message);
    }
}
