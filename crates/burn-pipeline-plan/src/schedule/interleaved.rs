use super::{Schedule, ScheduleError, groups::Groups, warm_up::warm_up};

/// Interleaved 1F1B: each stage holds several chunks and takes a group of micro-batches through
/// one after the other, one forward and one backward in turn.
///
/// ```text
/// stage 0   F0   F1   F0.1 F1.1      B0.1      B1.1 B0   B1
/// stage 1        F0   F1   F0.1 B0.1 F1.1 B1.1 B0   B1
/// ```
///
/// Narayanan et al., *Efficient Large-Scale Language Model Training on GPU Clusters Using
/// Megatron-LM*, 2021, section 2.2.2. The number of micro-batches need not be a multiple of the
/// number of stages: see [`Groups`].
pub(super) fn interleaved(
    num_stages: usize,
    num_chunks: usize,
    num_micro_batches: usize,
) -> Result<Schedule, ScheduleError> {
    Schedule::generate_chunks(num_stages, num_chunks, num_micro_batches, |stage| {
        let groups = Groups::new(num_stages, num_chunks, num_micro_batches);
        let behind = num_stages - 1 - stage;
        let num_warm_up = match num_chunks {
            1 => behind,
            _ => 2 * behind + (num_chunks - 1) * groups.largest(),
        };
        warm_up(
            num_warm_up,
            groups.forwards().into_iter(),
            groups.backwards().into_iter(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScheduleKind;

    #[test]
    fn two_stages_of_two_chunks_take_turns() {
        insta::assert_snapshot!(interleaved(2, 2, 4).unwrap(), @r"
        stage 0   F0   F1   F0.1 F1.1 F2   B0.1 F3   B1.1 F2.1 B0   F3.1 B1        B2.1      B3.1 B2   B3
        stage 1        F0   F1   F0.1 B0.1 F1.1 B1.1 F2   B0   F3   B1   F2.1 B2.1 F3.1 B3.1 B2   B3
        ");
    }

    #[test]
    fn the_smallest_one_is_the_one_of_the_docs() {
        insta::assert_snapshot!(interleaved(2, 2, 2).unwrap(), @r"
        stage 0   F0   F1   F0.1 F1.1      B0.1      B1.1 B0   B1
        stage 1        F0   F1   F0.1 B0.1 F1.1 B1.1 B0   B1
        ");
    }

    #[test]
    fn one_stage_holds_all_chunks() {
        insta::assert_snapshot!(interleaved(1, 2, 2).unwrap(), @"stage 0   F0   F0.1 B0.1 F1   B0   F1.1 B1.1 B1");
    }

    #[test]
    fn a_number_of_micro_batches_that_does_not_divide_makes_larger_groups() {
        insta::assert_snapshot!(interleaved(2, 2, 3).unwrap(), @r"
        stage 0   F0   F1   F2   F0.1 F1.1 F2.1 B0.1      B1.1      B2.1 B0   B1   B2
        stage 1        F0   F1   F2   F0.1 B0.1 F1.1 B1.1 F2.1 B2.1 B0   B1   B2
        ");
    }

    #[test]
    fn fewer_micro_batches_than_stages_make_one_group() {
        insta::assert_snapshot!(interleaved(3, 2, 2).unwrap(), @r"
        stage 0   F0   F1        F0.1 F1.1                B0.1      B1.1 B0        B1
        stage 1        F0   F1        F0.1 F1.1      B0.1      B1.1 B0        B1
        stage 2             F0   F1        F0.1 B0.1 F1.1 B1.1 B0        B1
        ");
    }

    #[test]
    fn one_chunk_is_no_interleaving() {
        let plain = ScheduleKind::OneForwardOneBackward.schedule(4, 6);
        assert_eq!(interleaved(4, 1, 6), plain);
    }
}
