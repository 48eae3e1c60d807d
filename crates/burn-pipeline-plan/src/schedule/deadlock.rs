use super::{Schedule, ScheduleError, Wait};

/// Checks that stages whose lists are complete have run them to the end.
///
/// A stage that is stuck waits for a stage that is stuck too, or for an instruction further down
/// its own list. Following who waits for whom must come round: the circle is the deadlock.
pub(super) fn check_deadlock(schedule: &Schedule, num_ran: &[usize]) -> Result<(), ScheduleError> {
    let stages = 0..schedule.num_stages();
    let Some(mut stage) = stages
        .clone()
        .find(|&stage| num_ran[stage] < schedule.stage(stage).len())
    else {
        return Ok(());
    };
    // As many steps as there are stages lead into the circle from wherever they begin.
    for _ in stages {
        stage = wait(schedule, num_ran, stage).awaited_stage;
    }
    let mut waits = vec![wait(schedule, num_ran, stage)];
    while waits[waits.len() - 1].awaited_stage != stage {
        let next = waits[waits.len() - 1].awaited_stage;
        waits.push(wait(schedule, num_ran, next));
    }
    let first = (0..waits.len()).min_by_key(|&it| waits[it].stage);
    waits.rotate_left(first.unwrap_or(0));
    let marks: Vec<_> = waits.iter().map(|it| (it.stage, it.position)).collect();
    Err(ScheduleError::Deadlock {
        waits,
        drawing: schedule.drawing(&marks),
    })
}

/// What a stage that is stuck waits for.
fn wait(schedule: &Schedule, num_ran: &[usize], stage: usize) -> Wait {
    let position = num_ran[stage];
    let instruction = schedule.stage(stage)[position];
    let (awaited_stage, awaited) = schedule
        .layout()
        .waits_for(instruction, stage)
        .expect("a stage that is stuck waits for something");
    Wait {
        stage,
        position,
        instruction,
        awaited,
        awaited_stage,
    }
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
                        ^^
        stage 1      F0 F1 B0 B1
                        ^^
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
                           ^^
        stage 3            F1 F0 B0 B1
                           ^^
        ");
    }
}
