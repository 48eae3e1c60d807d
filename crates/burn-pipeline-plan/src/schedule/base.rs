use serde::{Deserialize, Serialize};

use super::{Instruction, ScheduleError};

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
/// Any list of lists is a `Schedule`; [`validate`](crate::validate()) says whether it can be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Vec<Instruction>>", into = "Vec<Vec<Instruction>>")]
pub struct Schedule {
    stages: Vec<Vec<Instruction>>,
    num_micro_batches: usize,
}

impl Schedule {
    /// A schedule of these instructions, one list per stage.
    pub fn new(stages: Vec<Vec<Instruction>>) -> Self {
        let last = stages.iter().flatten().map(|it| it.micro_batch).max();
        Self {
            stages,
            num_micro_batches: last.map_or(0, |last| last.saturating_add(1)),
        }
    }

    /// A schedule of at least one stage and one micro-batch, from the instructions of each stage.
    pub(super) fn generate(
        num_stages: usize,
        num_micro_batches: usize,
        stage: impl FnMut(usize) -> Vec<Instruction>,
    ) -> Result<Self, ScheduleError> {
        if num_stages == 0 || num_micro_batches == 0 {
            return Err(ScheduleError::Empty {
                num_stages,
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

    /// What a stage runs, in order.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn stage(&self, stage: usize) -> &[Instruction] {
        &self.stages[stage]
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
        assert_eq!(schedule.stage(1), [Instruction::forward(2)]);
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
