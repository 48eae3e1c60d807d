use super::{Instruction, Schedule, ScheduleError};

/// The schedule of inference: every stage runs all micro-batches forward, in order.
///
/// ```text
/// stage 0   F0 F1 F2
/// stage 1      F0 F1 F2
/// ```
///
/// Zero stages or zero micro-batches are [`ScheduleError::Empty`].
pub fn forward_only(
    num_stages: usize,
    num_micro_batches: usize,
) -> Result<Schedule, ScheduleError> {
    Schedule::generate(num_stages, num_micro_batches, |_| {
        (0..num_micro_batches).map(Instruction::forward).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate;

    #[test]
    fn micro_batches_follow_each_other_through_the_stages() {
        let schedule = forward_only(3, 4).unwrap();
        validate(&schedule).unwrap();
        insta::assert_snapshot!(schedule, @r"
        stage 0   F0 F1 F2 F3
        stage 1      F0 F1 F2 F3
        stage 2         F0 F1 F2 F3
        ");
    }

    #[test]
    fn no_stages_is_an_error() {
        assert!(forward_only(0, 4).is_err());
    }
}
