use crate::{Rematerialization, Schedule, ScheduleError, ScheduleKind, rematerialize};

/// One way to run a step, cuts and devices aside.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) num_stages: usize,
    pub(super) num_micro_batches: usize,
    pub(super) kind: ScheduleKind,
    pub(super) rematerialization: Rematerialization,
}

impl Candidate {
    pub(super) fn num_places(&self) -> usize {
        self.num_stages * self.kind.num_chunks()
    }

    pub(super) fn schedule(&self) -> Result<Schedule, ScheduleError> {
        let schedule = self
            .kind
            .schedule(self.num_stages, self.num_micro_batches)?;
        Ok(rematerialize(schedule, self.rematerialization))
    }
}

/// The numbers of samples of the micro-batches of a mini-batch: they differ by at most one.
pub(super) fn micro_batches(batch_size: usize, num_micro_batches: usize) -> Vec<usize> {
    let start = |part: usize| batch_size * part / num_micro_batches;
    let parts = 0..num_micro_batches;
    parts.map(|part| start(part + 1) - start(part)).collect()
}

/// The numbers of micro-batches that are worth a try for so many stages: up to 4, powers of two
/// and three times those, and the first multiples of the number of stages.
pub(super) fn usual_micro_batches(num_stages: usize, most: usize) -> Vec<usize> {
    let powers = (0..).map(|it| 1usize << it).take_while(|it| *it <= most);
    let powers = powers.flat_map(|it| [it, 3 * it]);
    let multiples = [1, 2, 3, 4, 8].map(|it| it * num_stages);
    let mut numbers: Vec<usize> = powers.chain(multiples).filter(|it| *it <= most).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_differ_by_at_most_one_sample() {
        assert_eq!(micro_batches(10, 4), [2, 3, 2, 3]);
        assert_eq!(micro_batches(3, 3), [1, 1, 1]);
    }

    #[test]
    fn the_usual_numbers_of_micro_batches_increase() {
        assert_eq!(
            usual_micro_batches(5, 16),
            [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16]
        );
    }
}
