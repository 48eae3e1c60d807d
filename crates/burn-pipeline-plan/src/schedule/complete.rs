use super::{Instruction, Op, Schedule, ScheduleError};

/// Checks that a stage runs every micro-batch once on every chunk, and the instructions of each in
/// order.
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

/// Where a stage runs the instructions of one micro-batch on one chunk, in the order of [`Op`].
type Positions = [u32; 3];

/// Where it does not run them.
const NOWHERE: u32 = u32::MAX;

/// The positions of every micro-batch on every chunk, chunk after chunk, or of one more than the
/// stage has instructions for.
fn positions(schedule: &Schedule, stage: usize) -> Result<Vec<Positions>, ScheduleError> {
    let instructions = schedule.stage(stage);
    let num_micro_batches = schedule.num_micro_batches();
    let num_positions = num_micro_batches
        .saturating_mul(schedule.num_chunks())
        .min(instructions.len() + 1);
    let mut positions = vec![[NOWHERE; 3]; num_positions];
    for (position, &instruction) in instructions.iter().enumerate() {
        let before = instruction.chunk().saturating_mul(num_micro_batches);
        let key = before.saturating_add(instruction.micro_batch());
        let Some(of_micro_batch) = positions.get_mut(key) else {
            continue;
        };
        let first = &mut of_micro_batch[instruction.op() as usize];
        if *first != NOWHERE {
            let first = *first as usize;
            return Err(ScheduleError::Repeated {
                stage,
                position,
                first,
                instruction,
                drawing: schedule.drawing(&[(stage, first), (stage, position)]),
            });
        }
        *first = position as u32;
    }
    Ok(positions)
}

fn check_every(
    schedule: &Schedule,
    stage: usize,
    positions: &[Positions],
    op: Op,
) -> Result<(), ScheduleError> {
    let missing = positions.iter().position(|it| it[op as usize] == NOWHERE);
    let Some(key) = missing else {
        return Ok(());
    };
    let num_micro_batches = schedule.num_micro_batches();
    let chunk = key / num_micro_batches;
    let found = schedule.stage(stage).iter();
    let found = found.filter(|it| it.op() == op && it.chunk() == chunk);
    Err(ScheduleError::Missing {
        stage,
        instruction: Instruction::new(op, key % num_micro_batches).on_chunk(chunk),
        num_found: found.count(),
        num_micro_batches,
        num_chunks: schedule.num_chunks(),
        drawing: schedule.drawing(&[]),
    })
}

fn check_order(
    schedule: &Schedule,
    stage: usize,
    positions: &[Positions],
) -> Result<(), ScheduleError> {
    let out_of_order = positions
        .iter()
        .find_map(|&[forward, recompute, backward]| {
            [
                (forward, recompute),
                (recompute, backward),
                (forward, backward),
            ]
            .into_iter()
            .find(|&(earlier, later)| earlier != NOWHERE && earlier > later)
        });
    let Some((earlier, position)) = out_of_order else {
        return Ok(());
    };
    let (earlier_position, position) = (earlier as usize, position as usize);
    let instructions = schedule.stage(stage);
    Err(ScheduleError::Order {
        stage,
        position,
        instruction: instructions[position],
        earlier_position,
        earlier: instructions[earlier_position],
        drawing: schedule.drawing(&[(stage, position), (stage, earlier_position)]),
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

    #[test]
    fn the_wrong_instructions_are_marked() {
        let text = "stage 0 F0 B1 F1 B0\nstage 1 F0 F1 B1 B0";
        let error = validate(&text.parse().unwrap()).unwrap_err();
        insta::assert_snapshot!(error, @r"
        stage 0 runs B1 at position 1, before F1 at position 2: move B1 behind F1
        stage 0   F0    B1 F1 B0
                        ^^ ^^
        stage 1      F0 F1 B1 B0
        ");
    }

    #[rstest]
    #[case(
        "stage 0 F0 F1 F2.1 F2",
        "stage 0 runs 1 of 3 micro-batches forward on chunk 1, and never F0.1: \
         add it, or take chunk 1 out of every stage"
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
        "stage 0 F0 F4294967295",
        "stage 0 runs 2 of 4294967296 micro-batches forward, and never F1: \
         add it, or take micro-batch 1 out of every stage"
    )]
    #[case(
        "stage 0 F0 F0.1\nstage 1 F0",
        "stage 1 runs 0 of 1 micro-batches forward on chunk 1, and never F0.1: \
         add it, or take chunk 1 out of every stage"
    )]
    #[case(
        "stage 0 F0 F0.4294967295",
        "stage 0 runs 0 of 1 micro-batches forward on chunk 1, and never F0.1: \
         add it, or take chunk 1 out of every stage"
    )]
    #[case(
        "stage 0 F0 F0.1 B0.1 B0\nstage 1 F0 F0.1 B0",
        "stage 1 runs 0 of 1 micro-batches backward on chunk 1, and never B0.1: \
         add it, or take every R and B out of every stage"
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
