use super::{
    Op, Schedule, ScheduleError, complete::check_complete, deadlock::check_deadlock, slots::slots,
};

/// Proves that a schedule can be run, or says which instruction is wrong.
///
/// Every stage runs every micro-batch forward exactly once and, unless no stage runs anything
/// backward, backward exactly once after that, with at most one Recompute between the two. No
/// stage waits forever: run greedily, every instruction gets its slot.
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
    validated_slots(schedule).map(drop)
}

/// The slot of each instruction of a schedule that can be run.
pub(crate) fn validated_slots(schedule: &Schedule) -> Result<Vec<Vec<usize>>, ScheduleError> {
    if schedule.num_micro_batches() == 0 {
        return Err(ScheduleError::Empty {
            num_stages: schedule.num_stages(),
            num_micro_batches: 0,
        });
    }
    let mut instructions = schedule.stages().iter().flatten();
    let forward_only = instructions.all(|it| it.op == Op::Forward);
    for stage in 0..schedule.num_stages() {
        check_complete(schedule, stage, forward_only)?;
    }
    let slots = slots(schedule);
    check_deadlock(schedule, &slots)?;
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instruction, Rematerialization, ScheduleKind, forward_only, rematerialize};
    use proptest::{collection::vec, prelude::*, sample::Index};
    use std::collections::HashMap;

    type Slots = Vec<Vec<usize>>;

    /// Runs a schedule slot by slot; every stage tries its next instruction in every slot.
    fn brute_force(schedule: &Schedule) -> Option<Slots> {
        let (num_stages, num_micro_batches) = (schedule.num_stages(), schedule.num_micro_batches());
        let mut slots: Slots = vec![vec![]; num_stages];
        let mut ended: HashMap<(usize, Instruction), usize> = HashMap::new();
        for slot in 0.. {
            let mut idle = true;
            for (stage, slots) in slots.iter_mut().enumerate() {
                let Some(&next) = schedule.stage(stage).get(slots.len()) else {
                    continue;
                };
                let m = next.micro_batch;
                let before = |stage, it| ended.get(&(stage, it)).is_some_and(|&end| end < slot);
                let forwarded = before(stage, Instruction::forward(m));
                let returned = before(stage, Instruction::backward(m));
                let can_run = match next.op {
                    Op::Forward => stage == 0 || before(stage - 1, next),
                    Op::Recompute => forwarded && !returned,
                    Op::Backward if stage == num_stages - 1 => forwarded,
                    Op::Backward => forwarded && before(stage + 1, next),
                };
                if can_run && !ended.contains_key(&(stage, next)) {
                    ended.insert((stage, next), slot);
                    slots.push(slot);
                    idle = false;
                }
            }
            if idle {
                break;
            }
        }
        let num_ran: usize = slots.iter().map(Vec::len).sum();
        let num_all: usize = (0..num_stages)
            .map(|stage| schedule.stage(stage).len())
            .sum();
        let ran = |op| ended.keys().filter(|(_, it)| it.op == op).count();
        let complete = num_micro_batches > 0
            && ran(Op::Forward) == num_stages * num_micro_batches
            && (ran(Op::Backward) == num_stages * num_micro_batches
                || ran(Op::Backward) + ran(Op::Recompute) == 0);
        (complete && num_ran == num_all).then_some(slots)
    }

    fn legal_schedule() -> impl Strategy<Value = Schedule> {
        let mode = prop_oneof![
            Just(Rematerialization::Never),
            Just(Rematerialization::ExceptLast),
            Just(Rematerialization::Always)
        ];
        (1..5usize, 1..5usize, mode, any::<bool>()).prop_map(|(k, m, mode, training)| {
            if training {
                rematerialize(ScheduleKind::GPipe.schedule(k, m).unwrap(), mode)
            } else {
                forward_only(k, m).unwrap()
            }
        })
    }

    fn agrees_with_brute_force(stages: Vec<Vec<Instruction>>) -> Result<(), TestCaseError> {
        let schedule = Schedule::new(stages);
        match (validated_slots(&schedule), brute_force(&schedule)) {
            (Ok(slots), Some(expected)) => prop_assert_eq!(slots, expected),
            (Err(_), None) => {}
            (found, expected) => {
                prop_assert!(false, "{}\n{:?}\n{:?}", schedule, found, expected);
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn a_legal_schedule_runs_as_by_brute_force(schedule in legal_schedule()) {
            prop_assert_eq!(validated_slots(&schedule).ok(), brute_force(&schedule));
        }

        #[test]
        fn swapped_neighbours_are_judged_as_by_brute_force(
            schedule in legal_schedule(),
            swaps in vec(any::<(Index, Index)>(), 1..12),
        ) {
            let mut stages: Vec<Vec<Instruction>> = schedule.into();
            for (stage, position) in swaps {
                let stage = stage.get_mut(&mut stages);
                let position = position.index(stage.len());
                if position > 0 {
                    stage.swap(position - 1, position);
                }
            }
            agrees_with_brute_force(stages)?;
        }

        #[test]
        fn shuffled_stages_are_judged_as_by_brute_force(
            stages in legal_schedule().prop_flat_map(|schedule| {
                let stages: Vec<Vec<Instruction>> = schedule.into();
                stages.into_iter().map(|stage| Just(stage).prop_shuffle()).collect::<Vec<_>>()
            })
        ) {
            agrees_with_brute_force(stages)?;
        }

        #[test]
        fn lost_moved_and_repeated_instructions_are_judged_as_by_brute_force(
            schedule in legal_schedule(),
            (from, position) in any::<(Index, Index)>(),
            to in vec(any::<Index>(), 0..3),
        ) {
            let mut stages: Vec<Vec<Instruction>> = schedule.into();
            let source = from.get_mut(&mut stages);
            let instruction = source.remove(position.index(source.len()));
            for stage in to {
                stage.get_mut(&mut stages).push(instruction);
            }
            agrees_with_brute_force(stages)?;
        }
    }

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
