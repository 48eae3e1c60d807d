use super::{Instruction, Schedule, ScheduleError};

/// Breadth-first looped: each stage holds several chunks, and takes all micro-batches through one
/// before it turns to the next, forward and then backward.
///
/// ```text
/// stage 0   F0   F1   F0.1 F1.1           B1.1 B0.1 B1   B0
/// stage 1        F0   F1   F0.1 F1.1 B1.1 B0.1 B1   B0
/// ```
///
/// Lamy-Poirier, *Breadth-First Pipeline Parallelism*, 2023.
pub(super) fn breadth_first(
    num_stages: usize,
    num_chunks: usize,
    num_micro_batches: usize,
) -> Result<Schedule, ScheduleError> {
    Schedule::generate_chunks(num_stages, num_chunks, num_micro_batches, |_| {
        let forwards = (0..num_chunks).flat_map(|chunk| {
            (0..num_micro_batches).map(move |m| Instruction::forward(m).on_chunk(chunk))
        });
        let backwards = (0..num_chunks).rev().flat_map(|chunk| {
            let micro_batches = (0..num_micro_batches).rev();
            micro_batches.map(move |m| Instruction::backward(m).on_chunk(chunk))
        });
        forwards.chain(backwards).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ScheduleKind, validate};

    #[test]
    fn all_micro_batches_run_on_one_chunk_before_the_next() {
        let schedule = breadth_first(2, 2, 4).unwrap();
        validate(&schedule).unwrap();
        insta::assert_snapshot!(schedule, @r"
        stage 0   F0   F1   F2   F3   F0.1 F1.1 F2.1 F3.1           B3.1 B2.1 B1.1 B0.1 B3   B2   B1   B0
        stage 1        F0   F1   F2   F3   F0.1 F1.1 F2.1 F3.1 B3.1 B2.1 B1.1 B0.1 B3   B2   B1   B0
        ");
    }

    #[test]
    fn every_micro_batch_is_in_flight_on_every_chunk() {
        let schedule = breadth_first(3, 2, 5).unwrap();
        assert_eq!(schedule.peak_in_flight(0), 10);
    }

    #[test]
    fn one_chunk_is_fill_and_drain() {
        assert_eq!(breadth_first(3, 1, 4), ScheduleKind::GPipe.schedule(3, 4));
    }
}
