use super::{Schedule, ScheduleError, groups::Groups};

/// The schedule of inference: every stage runs all micro-batches forward, in order.
///
/// ```text
/// stage 0   F0 F1 F2
/// stage 1      F0 F1 F2
/// ```
///
/// With several chunks, a group of micro-batches goes through all of them before the next:
///
/// ```text
/// stage 0   F0   F1   F0.1 F1.1
/// stage 1        F0   F1   F0.1 F1.1
/// ```
///
/// The bubble is (K-1)/(M+K-1) for K stages and M micro-batches, and (K-1)/(vM+K-1) with v chunks
/// on each and at least K micro-batches. Nothing is kept, and a micro-batch crosses vK-1 boundaries.
/// The order is that of the forward passes of GPipe (Huang et al., 2018, section 2.2), and with
/// chunks of interleaved 1F1B (Narayanan et al., 2021, section 2.2.2).
///
/// Zero stages, chunks or micro-batches are [`ScheduleError::Empty`].
pub fn forward_only(
    num_stages: usize,
    num_chunks: usize,
    num_micro_batches: usize,
) -> Result<Schedule, ScheduleError> {
    Schedule::generate_chunks(num_stages, num_chunks, num_micro_batches, |_| {
        Groups::new(num_stages, num_chunks, num_micro_batches).forwards()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate;

    #[test]
    fn micro_batches_follow_each_other_through_the_stages() {
        let schedule = forward_only(3, 1, 4).unwrap();
        validate(&schedule).unwrap();
        insta::assert_snapshot!(schedule, @r"
        stage 0   F0 F1 F2 F3
        stage 1      F0 F1 F2 F3
        stage 2         F0 F1 F2 F3
        ");
    }

    #[test]
    fn groups_of_micro_batches_go_through_all_chunks() {
        let schedule = forward_only(2, 2, 5).unwrap();
        validate(&schedule).unwrap();
        insta::assert_snapshot!(schedule, @r"
        stage 0   F0   F1   F2   F0.1 F1.1 F2.1 F3   F4   F3.1 F4.1
        stage 1        F0   F1   F2   F0.1 F1.1 F2.1 F3   F4   F3.1 F4.1
        ");
    }

    #[test]
    fn no_stages_is_an_error() {
        assert!(forward_only(0, 1, 4).is_err());
    }
}
