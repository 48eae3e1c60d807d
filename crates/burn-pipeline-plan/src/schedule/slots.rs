use std::num::NonZeroUsize;

use super::{Instruction, Op, Schedule, wait::waits_for};

/// The slot in which each instruction runs, if every instruction takes one slot of time.
///
/// Each instruction runs as soon as its stage is free and what it waits for has ended. A stage
/// that is stuck has fewer slots than instructions: the first one without a slot waits for what
/// never runs.
///
/// # Complexity
///
/// Time and memory are linear in the number of instructions.
pub(crate) fn slots(schedule: &Schedule) -> Vec<Vec<usize>> {
    let num_stages = schedule.num_stages();
    let mut execution = Execution::new(schedule);
    let mut woken: Vec<usize> = (0..num_stages).rev().collect();
    while let Some(stage) = woken.pop() {
        if execution.advance(stage) {
            woken.extend(stage.checked_sub(1));
            woken.extend((stage + 1 < num_stages).then_some(stage + 1));
        }
    }
    execution.slots
}

struct Execution<'a> {
    schedule: &'a Schedule,
    slots: Vec<Vec<usize>>,
    ends: Vec<Ends>,
}

impl<'a> Execution<'a> {
    fn new(schedule: &'a Schedule) -> Self {
        let stages = schedule.stages().iter();
        Self {
            schedule,
            slots: stages
                .clone()
                .map(|it| Vec::with_capacity(it.len()))
                .collect(),
            ends: stages
                .map(|it| Ends::new(it.len().min(schedule.num_micro_batches())))
                .collect(),
        }
    }

    /// Runs a stage until it is stuck, and says whether it ran anything.
    fn advance(&mut self, stage: usize) -> bool {
        let before = self.slots[stage].len();
        for &instruction in &self.schedule.stage(stage)[before..] {
            let Some(ready) = self.ready(stage, instruction) else {
                break;
            };
            let free = self.slots[stage].last().map_or(0, |slot| slot + 1);
            let slot = ready.max(free);
            self.slots[stage].push(slot);
            self.ends[stage].set(instruction, slot + 1);
        }
        self.slots[stage].len() > before
    }

    fn ready(&self, stage: usize, instruction: Instruction) -> Option<usize> {
        match waits_for(instruction, stage, self.schedule.num_stages()) {
            Some((other, awaited)) => self.ends[other].get(awaited),
            None => Some(0),
        }
    }
}

/// The slot after each Forward and each Backward that a stage has run, by micro-batch.
///
/// No micro-batch of a complete schedule is numbered higher than its stage has instructions. In
/// any other schedule, what waits for such a micro-batch never runs.
struct Ends {
    forward: Vec<Option<NonZeroUsize>>,
    backward: Vec<Option<NonZeroUsize>>,
}

impl Ends {
    fn new(num_micro_batches: usize) -> Self {
        Self {
            forward: vec![None; num_micro_batches],
            backward: vec![None; num_micro_batches],
        }
    }

    fn get(&self, instruction: Instruction) -> Option<usize> {
        let ends = match instruction.op {
            Op::Forward => &self.forward,
            Op::Recompute => return None,
            Op::Backward => &self.backward,
        };
        let end = ends.get(instruction.micro_batch).copied().flatten();
        end.map(NonZeroUsize::get)
    }

    fn set(&mut self, instruction: Instruction, end: usize) {
        let ends = match instruction.op {
            Op::Forward => &mut self.forward,
            Op::Recompute => return,
            Op::Backward => &mut self.backward,
        };
        if let Some(entry) = ends.get_mut(instruction.micro_batch) {
            *entry = NonZeroUsize::new(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScheduleKind;

    fn slots_of(text: &str) -> Vec<Vec<usize>> {
        slots(&text.parse().unwrap())
    }

    #[test]
    fn a_stage_waits_for_its_boundary_and_for_its_gradient() {
        let slots = slots_of("stage 0 F0 F1 B1 B0\nstage 1 F0 F1 B1 B0");
        assert_eq!(slots, [[0, 1, 4, 5], [1, 2, 3, 4]]);
    }

    #[test]
    fn a_recompute_runs_while_its_stage_would_wait() {
        let slots = slots_of("stage 0 F0 R0 B0\nstage 1 F0 B0");
        assert_eq!(slots, [vec![0, 1, 3], vec![1, 2]]);
    }

    #[test]
    fn a_stage_that_is_stuck_has_no_further_slots() {
        let slots = slots_of("stage 0 F0 B0 F1 B1\nstage 1 F0 F1 B0 B1");
        assert_eq!(slots, [[0], [1]]);
    }

    #[test]
    fn a_micro_batch_out_of_reach_is_never_handed_over() {
        let slots = slots_of("stage 0 F0 F18446744073709551615\nstage 1 F18446744073709551615");
        assert_eq!(slots, [vec![0, 1], vec![]]);
    }

    #[test]
    fn the_last_stage_of_gpipe_turns_around_without_a_pause() {
        let schedule = ScheduleKind::GPipe.schedule(16, 100).unwrap();
        let slots = slots(&schedule);
        let expected: Vec<usize> = (15..215).collect();
        assert_eq!(slots[15], expected);
    }
}
