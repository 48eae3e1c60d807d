use super::{
    Op, Schedule, ScheduleError,
    complete::check_complete,
    deadlock::check_deadlock,
    execute::{Clock, Executed, Slots, execute},
};

/// Proves that a schedule can be run, or says which instruction is wrong.
///
/// Every stage runs every micro-batch forward exactly once on each of its chunks and, unless no
/// stage runs anything backward, backward exactly once after that, with at most one Recompute
/// between the two. No stage waits forever: run greedily, every instruction gets its turn. What
/// runs when never decides what can run, so what the greedy run reaches, every run reaches.
///
/// ```
/// use burn_pipeline_plan::{Schedule, validate};
///
/// let schedule: Schedule = "\
/// stage 0   F0 B0 F1 B1
/// stage 1      F0 F1 B0 B1"
///     .parse()?;
/// let error = validate(&schedule).unwrap_err().to_string();
/// assert!(error.starts_with("deadlock: stage 0 stops at position 1, where B0 waits for B0"));
/// # Ok::<(), burn_pipeline_plan::ScheduleError>(())
/// ```
///
/// # Complexity
///
/// Time and memory are linear in the number of instructions.
pub fn validate(schedule: &Schedule) -> Result<(), ScheduleError> {
    validate_running(schedule, Slots).map(drop)
}

/// Validates a schedule by running it.
pub(crate) fn validate_running<C: Clock>(
    schedule: &Schedule,
    clock: C,
) -> Result<Executed<'_, C>, ScheduleError> {
    check_not_empty(schedule)?;
    let mut instructions = schedule.stages().iter().flatten();
    let forward_only = instructions.all(|it| it.op() == Op::Forward);
    for stage in 0..schedule.num_stages() {
        check_complete(schedule, stage, forward_only)?;
    }
    let executed = execute(schedule, clock);
    check_deadlock(schedule, executed.num_ran())?;
    Ok(executed)
}

/// Checks that there is something to run.
pub(crate) fn check_not_empty(schedule: &Schedule) -> Result<(), ScheduleError> {
    match schedule.num_micro_batches() {
        0 => Err(ScheduleError::Empty {
            num_stages: schedule.num_stages(),
            num_chunks: schedule.num_chunks(),
            num_micro_batches: 0,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legal_order_that_no_generator_makes_is_valid() {
        let schedule: Schedule = "\
            stage 0   F1 F0    B1 R0 B0
            stage 1      F1 B1 F0 B0"
            .parse()
            .unwrap();
        assert_eq!(validate(&schedule), Ok(()));
    }

    #[test]
    fn a_schedule_of_nothing_is_an_error() {
        for text in ["", "stage 0\nstage 1"] {
            let error = validate(&text.parse().unwrap()).unwrap_err();
            assert!(matches!(error, ScheduleError::Empty { .. }));
        }
    }
}
