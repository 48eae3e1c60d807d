use serde::{Deserialize, Serialize};

use super::{Instruction, Op, ScheduleError, layout::Layout};

/// For each stage, the ordered list of its instructions.
///
/// A stage runs its list from first to last, each instruction as soon as what it waits for is
/// there: a Forward waits for its boundary, a Backward for its gradient. There are no send or
/// receive instructions. The text form draws one stage per line, and one instruction per slot of
/// time, as if every instruction took equally long:
///
/// ```text
/// stage 0   F0 F1       B1 B0
/// stage 1      F0 F1 B1 B0
/// ```
///
/// A stage may hold several chunks, as interleaving has it. Chunk `c` of stage `s` of `K` is then
/// at place `c * K + s` along the model.
///
/// Any list of lists is a `Schedule`; [`validate`](crate::validate()) says whether it can be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Vec<Instruction>>", into = "Vec<Vec<Instruction>>")]
pub struct Schedule {
    stages: Vec<Vec<Instruction>>,
    num_micro_batches: usize,
    num_chunks: usize,
}

/// More than a machine has room for.
const MOST_FORWARDS: usize = 1 << 31;

impl Schedule {
    /// A schedule of these instructions, one list per stage.
    pub fn new(stages: Vec<Vec<Instruction>>) -> Self {
        let (mut num_micro_batches, mut num_chunks) = (0, 0);
        for instruction in stages.iter().flatten() {
            num_micro_batches = num_micro_batches.max(instruction.micro_batch().saturating_add(1));
            num_chunks = num_chunks.max(instruction.chunk().saturating_add(1));
        }
        Self {
            stages,
            num_micro_batches,
            num_chunks,
        }
    }

    /// A schedule of at least one stage and one micro-batch, from the instructions of each stage.
    pub(super) fn generate(
        num_stages: usize,
        num_micro_batches: usize,
        stage: impl FnMut(usize) -> Vec<Instruction>,
    ) -> Result<Self, ScheduleError> {
        Self::generate_chunks(num_stages, 1, num_micro_batches, stage)
    }

    /// A schedule of at least one stage, one chunk and one micro-batch, from the instructions of
    /// each stage.
    pub(super) fn generate_chunks(
        num_stages: usize,
        num_chunks: usize,
        num_micro_batches: usize,
        stage: impl FnMut(usize) -> Vec<Instruction>,
    ) -> Result<Self, ScheduleError> {
        if num_stages == 0 || num_chunks == 0 || num_micro_batches == 0 {
            return Err(ScheduleError::Empty {
                num_stages,
                num_chunks,
                num_micro_batches,
            });
        }
        let num_places = num_stages.checked_mul(num_chunks);
        let num_forwards = num_places.and_then(|it| it.checked_mul(num_micro_batches));
        if num_forwards.is_none_or(|it| it > MOST_FORWARDS) {
            return Err(ScheduleError::TooLarge {
                num_stages,
                num_chunks,
                num_micro_batches,
            });
        }
        Ok(Self::new((0..num_stages).map(stage).collect()))
    }

    /// How many stages the schedule is for.
    pub fn num_stages(&self) -> usize {
        self.stages.len()
    }

    /// How many micro-batches the mini-batch is split into: one more than the highest one named.
    pub fn num_micro_batches(&self) -> usize {
        self.num_micro_batches
    }

    /// How many chunks each stage holds: one more than the highest one named.
    ///
    /// Chunk `c` of stage `s` of `K` holds the layers at place `c * K + s` along the model.
    pub fn num_chunks(&self) -> usize {
        self.num_chunks
    }

    /// The schedule of the first `num_micro_batches` of its micro-batches, in the same order.
    ///
    /// What could be run can still be run: no instruction waits for one of another micro-batch.
    pub fn first_micro_batches(mut self, num_micro_batches: usize) -> Self {
        for stage in &mut self.stages {
            stage.retain(|it| it.micro_batch() < num_micro_batches);
        }
        Self::new(self.stages)
    }

    /// What a stage runs, in order.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn stage(&self, stage: usize) -> &[Instruction] {
        &self.stages[stage]
    }

    /// The most micro-batches that a stage has in flight at once: run forward, and not yet
    /// backward. With several chunks, a micro-batch counts once for each of them. A stage that runs
    /// nothing backward, as in inference, has nothing in flight.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn peak_in_flight(&self, stage: usize) -> usize {
        if self.stage(stage).iter().all(|it| it.op() != Op::Backward) {
            return 0;
        }
        let (mut in_flight, mut peak) = (0usize, 0);
        for instruction in self.stage(stage) {
            match instruction.op() {
                Op::Forward => in_flight += 1,
                Op::Recompute => {}
                Op::Backward => in_flight = in_flight.saturating_sub(1),
            }
            peak = peak.max(in_flight);
        }
        peak
    }

    /// How its chunks follow each other along the model.
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            num_stages: self.num_stages(),
            num_chunks: self.num_chunks,
        }
    }

    /// What each stage runs, first stage first.
    pub(crate) fn stages(&self) -> &[Vec<Instruction>] {
        &self.stages
    }
}

impl From<Vec<Vec<Instruction>>> for Schedule {
    fn from(stages: Vec<Vec<Instruction>>) -> Self {
        Self::new(stages)
    }
}

impl From<Schedule> for Vec<Vec<Instruction>> {
    fn from(schedule: Schedule) -> Self {
        schedule.stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_knows_its_stages_and_micro_batches() {
        let schedule = Schedule::new(vec![
            vec![Instruction::forward(0), Instruction::forward(1)],
            vec![Instruction::forward(2)],
        ]);
        assert_eq!(schedule.num_stages(), 2);
        assert_eq!(schedule.num_micro_batches(), 3);
        assert_eq!(schedule.num_chunks(), 1);
        assert_eq!(schedule.stage(1), [Instruction::forward(2)]);
    }

    #[test]
    fn the_first_micro_batches_keep_their_order() {
        let schedule: Schedule = "stage 0 F2 F0 F1 B1 B2 B0".parse().unwrap();
        let first = schedule.first_micro_batches(2);
        assert_eq!(first, "stage 0 F0 F1 B1 B0".parse().unwrap());
        assert_eq!(first.num_micro_batches(), 2);
    }

    #[test]
    fn what_is_in_flight_has_run_forward_and_not_backward() {
        let schedule: Schedule = "stage 0 F0 F0.1 F1 R0 B0 F2 B1".parse().unwrap();
        assert_eq!(schedule.peak_in_flight(0), 3);
    }

    #[test]
    fn a_schedule_of_nothing_has_no_micro_batches() {
        assert_eq!(Schedule::new(vec![]).num_micro_batches(), 0);
        assert_eq!(Schedule::new(vec![vec![]]).num_micro_batches(), 0);
    }

    #[test]
    fn a_schedule_is_serialized_as_a_list_of_lists() {
        let schedule = Schedule::new(vec![vec![Instruction::forward(0)], vec![]]);
        let json = serde_json::to_string(&schedule).unwrap();
        assert_eq!(json, r#"[[{"op":"forward","micro_batch":0,"chunk":0}],[]]"#);
        assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
    }
}
