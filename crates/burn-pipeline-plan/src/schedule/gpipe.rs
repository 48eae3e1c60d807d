use super::{Instruction, Schedule, ScheduleError};

/// GPipe's schedule, fill and drain: all micro-batches forward, then all backward, last one first.
///
/// ```text
/// stage 0   F0 F1 F2 F3             B3 B2 B1 B0
/// stage 1      F0 F1 F2 F3       B3 B2 B1 B0
/// stage 2         F0 F1 F2 F3 B3 B2 B1 B0
/// ```
///
/// Huang et al., *GPipe*, 2018, sections 2.2 (figure 2c) and 2.3.
pub(super) fn gpipe(
    num_stages: usize,
    num_micro_batches: usize,
) -> Result<Schedule, ScheduleError> {
    Schedule::generate(num_stages, num_micro_batches, |_| {
        let forwards = (0..num_micro_batches).map(Instruction::forward);
        let backwards = (0..num_micro_batches).rev().map(Instruction::backward);
        forwards.chain(backwards).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timeline, validate};
    use rstest::rstest;

    #[test]
    fn one_stage_never_waits() {
        insta::assert_snapshot!(gpipe(1, 3).unwrap(), @"stage 0   F0 F1 F2 B2 B1 B0");
    }

    #[test]
    fn one_micro_batch_keeps_one_stage_busy_at_a_time() {
        insta::assert_snapshot!(gpipe(3, 1).unwrap(), @r"
        stage 0   F0             B0
        stage 1      F0       B0
        stage 2         F0 B0
        ");
    }

    #[test]
    fn four_micro_batches_fill_and_drain_four_stages() {
        insta::assert_snapshot!(gpipe(4, 4).unwrap(), @r"
        stage 0   F0 F1 F2 F3                   B3 B2 B1 B0
        stage 1      F0 F1 F2 F3             B3 B2 B1 B0
        stage 2         F0 F1 F2 F3       B3 B2 B1 B0
        stage 3            F0 F1 F2 F3 B3 B2 B1 B0
        ");
    }

    #[rstest]
    fn equal_stages_have_the_bubble_of_the_closed_form(
        #[values(1, 2, 3, 8, 32)] num_stages: usize,
        #[values(1, 2, 7, 64)] num_micro_batches: usize,
    ) {
        let schedule = gpipe(num_stages, num_micro_batches).unwrap();
        validate(&schedule).unwrap();
        let (k, m) = (num_stages as f64, num_micro_batches as f64);
        let bubble = Timeline::of_slots(&schedule).unwrap().bubble_share();
        assert!((bubble - (k - 1.0) / (m + k - 1.0)).abs() < 1e-12);
    }
}
