use super::{Instruction, Op, Schedule, ScheduleError};

/// Checks that every instruction of a schedule whose stages are complete has its slot.
///
/// A stage that is stuck waits for a neighbour that is stuck too. Following who waits for whom
/// along a line of stages, one must turn around: two neighbours wait for each other.
pub(super) fn check_deadlock(
    schedule: &Schedule,
    slots: &[Vec<usize>],
) -> Result<(), ScheduleError> {
    let stuck = |stage: usize| -> Option<(usize, Instruction)> {
        let position = slots.get(stage)?.len();
        Some((position, *schedule.stage(stage).get(position)?))
    };
    if (0..schedule.num_stages()).all(|stage| stuck(stage).is_none()) {
        return Ok(());
    }
    let deadlock = (0..schedule.num_stages()).find_map(|stage| {
        let (position, instruction) = stuck(stage).filter(|(_, it)| it.op == Op::Backward)?;
        let (next_position, next_instruction) =
            stuck(stage + 1).filter(|(_, it)| it.op == Op::Forward)?;
        Some(ScheduleError::Deadlock {
            stage,
            position,
            instruction,
            next_position,
            next_instruction,
            drawing: schedule.drawing(),
        })
    });
    Err(deadlock.expect("of complete stages that are stuck, two neighbours wait for each other"))
}

#[cfg(test)]
mod tests {
    use crate::{Schedule, validate};

    fn message(text: &str) -> String {
        let schedule: Schedule = text.parse().unwrap();
        validate(&schedule).unwrap_err().to_string()
    }

    #[test]
    fn two_stages_that_wait_for_each_other_are_named_and_drawn() {
        let text = "stage 0 F0 B0 F1 B1\nstage 1 F0 F1 B0 B1";
        insta::assert_snapshot!(message(text), @r"
        deadlock: stage 0 stops at position 1, where B0 waits for B0 of stage 1, and stage 1 stops at position 1, where F1 waits for F1 of stage 0: move F1 of stage 0 before its B0
        stage 0   F0    B0 F1 B1
        stage 1      F0 F1 B0 B1
        ");
    }

    #[test]
    fn stages_that_wait_behind_a_deadlock_are_not_blamed() {
        let text =
            "stage 0 F0 F1 B0 B1\nstage 1 F0 F1 B0 B1\nstage 2 F0 B0 F1 B1\nstage 3 F1 F0 B0 B1";
        insta::assert_snapshot!(message(text), @r"
        deadlock: stage 2 stops at position 1, where B0 waits for B0 of stage 3, and stage 3 stops at position 0, where F1 waits for F1 of stage 2: move F1 of stage 2 before its B0
        stage 0   F0 F1    B0 B1
        stage 1      F0 F1 B0 B1
        stage 2         F0 B0 F1 B1
        stage 3            F1 F0 B0 B1
        ");
    }
}
