use super::{Instruction, Schedule, ScheduleError, warm_up::warm_up};

/// 1F1B, PipeDream-flush: each stage runs as many micro-batches forward as it takes to keep the
/// stages after it busy, then one forward and one backward in turn, then the backwards left.
///
/// ```text
/// stage 0   F0 F1 F2       B0 F3 B1    B2    B3
/// stage 1      F0 F1    B0 F2 B1 F3 B2    B3
/// stage 2         F0 B0 F1 B1 F2 B2 F3 B3
/// ```
///
/// Narayanan et al., *Memory-Efficient Pipeline-Parallel DNN Training*, 2021, PipeDream-Flush.
pub(super) fn one_forward_one_backward(
    num_stages: usize,
    num_micro_batches: usize,
) -> Result<Schedule, ScheduleError> {
    Schedule::generate(num_stages, num_micro_batches, |stage| {
        warm_up(
            num_stages - 1 - stage,
            (0..num_micro_batches).map(Instruction::forward),
            (0..num_micro_batches).map(Instruction::backward),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate;
    use rstest::rstest;

    #[test]
    fn one_stage_runs_each_micro_batch_to_the_end() {
        let schedule = one_forward_one_backward(1, 3).unwrap();
        insta::assert_snapshot!(schedule, @"stage 0   F0 B0 F1 B1 F2 B2");
    }

    #[test]
    fn four_stages_warm_up_take_turns_and_drain() {
        insta::assert_snapshot!(one_forward_one_backward(4, 6).unwrap(), @r"
        stage 0   F0 F1 F2 F3          B0 F4 B1 F5 B2    B3    B4    B5
        stage 1      F0 F1 F2       B0 F3 B1 F4 B2 F5 B3    B4    B5
        stage 2         F0 F1    B0 F2 B1 F3 B2 F4 B3 F5 B4    B5
        stage 3            F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5
        ");
    }

    #[test]
    fn fewer_micro_batches_than_stages_are_all_warm_up() {
        insta::assert_snapshot!(one_forward_one_backward(4, 2).unwrap(), @r"
        stage 0   F0 F1                B0    B1
        stage 1      F0 F1          B0    B1
        stage 2         F0 F1    B0    B1
        stage 3            F0 B0 F1 B1
        ");
    }

    #[rstest]
    fn a_stage_has_as_many_in_flight_as_there_are_stages_from_it_on(
        #[values(1, 2, 5, 8)] num_stages: usize,
        #[values(1, 2, 7, 32)] num_micro_batches: usize,
    ) {
        let schedule = one_forward_one_backward(num_stages, num_micro_batches).unwrap();
        validate(&schedule).unwrap();
        for stage in 0..num_stages {
            let expected = (num_stages - stage).min(num_micro_batches);
            assert_eq!(schedule.peak_in_flight(stage), expected);
        }
    }
}
