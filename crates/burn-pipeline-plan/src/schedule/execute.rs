use super::{Instruction, Layout, Op, Schedule};

/// A point in time: a slot, or seconds.
pub(crate) trait Time: Copy + PartialOrd {
    /// When everything starts.
    const START: Self;
    /// When what is not run yet ends.
    const NEVER: Self;
}

impl Time for u32 {
    const START: Self = 0;
    const NEVER: Self = u32::MAX;
}

impl Time for f64 {
    const START: Self = 0.0;
    const NEVER: Self = f64::INFINITY;
}

/// What instructions take.
pub(crate) trait Clock {
    type Time: Time;

    /// When an instruction ends that a stage starts at this time.
    fn end(&self, stage: usize, instruction: Instruction, start: Self::Time) -> Self::Time;

    /// When the result of an instruction that has ended is on the stage that waits for it, another
    /// one.
    fn arrival(&self, stage: usize, instruction: Instruction, end: Self::Time) -> Self::Time;
}

/// Every instruction takes one slot, and no result takes any.
pub(crate) struct Slots;

impl Clock for Slots {
    type Time = u32;

    fn end(&self, _stage: usize, _instruction: Instruction, slot: u32) -> u32 {
        slot + 1
    }

    fn arrival(&self, _stage: usize, _instruction: Instruction, slot: u32) -> u32 {
        slot
    }
}

/// Runs a schedule: each instruction as soon as its stage is free and what it waits for has
/// arrived.
///
/// # Complexity
///
/// Time and memory are linear in the number of instructions.
pub(crate) fn execute<C: Clock>(schedule: &Schedule, clock: C) -> Executed<'_, C> {
    let num_stages = schedule.num_stages();
    let mut execution = Execution {
        free: vec![C::Time::START; num_stages],
        waits: vec![None; num_stages],
        executed: Executed {
            schedule,
            layout: schedule.layout(),
            clock,
            num_ran: vec![0; num_stages],
            delivered: Delivered::new(schedule),
        },
    };
    let mut ready: Vec<usize> = (0..num_stages).rev().collect();
    while let Some(stage) = ready.pop() {
        execution.advance(stage, &mut ready);
    }
    execution.executed
}

/// The slot of each instruction that can run, if each takes one slot of time.
pub(crate) fn slots(schedule: &Schedule) -> Vec<Vec<u32>> {
    let executed = execute(schedule, Slots);
    let slots = |stage| executed.spans(stage).map(|(_, slot, _)| slot).collect();
    (0..schedule.num_stages()).map(slots).collect()
}

/// A schedule that has been run as far as it can be.
pub(crate) struct Executed<'a, C: Clock> {
    schedule: &'a Schedule,
    layout: Layout,
    clock: C,
    num_ran: Vec<usize>,
    delivered: Delivered<C::Time>,
}

impl<C: Clock> Executed<'_, C> {
    /// How many instructions each stage has run. A stage that is stuck has run fewer than it
    /// lists: the first one left waits for what never runs.
    pub(crate) fn num_ran(&self) -> &[usize] {
        &self.num_ran
    }

    /// What a stage has run, in order, with the start and the end of each.
    pub(crate) fn spans(
        &self,
        stage: usize,
    ) -> impl Iterator<Item = (Instruction, C::Time, C::Time)> {
        let ran = &self.schedule.stage(stage)[..self.num_ran[stage]];
        let mut free = C::Time::START;
        ran.iter().map(move |&instruction| {
            let start = later(free, self.arrived(stage, instruction));
            free = self.clock.end(stage, instruction, start);
            (instruction, start, free)
        })
    }

    fn arrived(&self, stage: usize, instruction: Instruction) -> C::Time {
        match self.layout.waits_for(instruction, stage) {
            Some((other, awaited)) => self.delivered.get(other, awaited),
            None => C::Time::START,
        }
    }
}

fn later<T: PartialOrd>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

struct Execution<'a, C: Clock> {
    executed: Executed<'a, C>,
    free: Vec<C::Time>,
    /// What each stage that is stuck waits for.
    waits: Vec<Option<(usize, Instruction)>>,
}

impl<C: Clock> Execution<'_, C> {
    /// Runs a stage until it is stuck, and says which stages can go on.
    fn advance(&mut self, stage: usize, ready: &mut Vec<usize>) {
        let Executed {
            schedule, layout, ..
        } = self.executed;
        for &instruction in &schedule.stage(stage)[self.executed.num_ran[stage]..] {
            let arrived = self.executed.arrived(stage, instruction);
            if arrived == C::Time::NEVER {
                self.waits[stage] = layout.waits_for(instruction, stage);
                return;
            }
            let start = later(self.free[stage], arrived);
            let clock = &self.executed.clock;
            let end = clock.end(stage, instruction, start);
            let awaited_by = layout.awaited_by(instruction, stage);
            let delivered = match awaited_by {
                Some(other) if other != stage => clock.arrival(stage, instruction, end),
                _ => end,
            };
            self.free[stage] = end;
            self.executed.delivered.set(stage, instruction, delivered);
            self.executed.num_ran[stage] += 1;

            if let Some(other) = awaited_by
                && self.waits[other]
                    .take_if(|awaited| *awaited == (stage, instruction))
                    .is_some()
            {
                ready.push(other);
            }
        }
    }
}

/// When each Forward and each Backward is delivered, by chunk, micro-batch and stage: stages work
/// on neighbouring micro-batches at a time, and so on neighbouring entries.
///
/// A stage of a complete schedule has no more of either than instructions. In any other one, what
/// waits for a micro-batch or a chunk far beyond its instructions never runs.
struct Delivered<T> {
    num_stages: usize,
    num_micro_batches: usize,
    forward: Vec<T>,
    backward: Vec<T>,
}

impl<T: Time> Delivered<T> {
    fn new(schedule: &Schedule) -> Self {
        let (num_stages, num_micro_batches) = (schedule.num_stages(), schedule.num_micro_batches());
        let all = num_micro_batches.saturating_mul(schedule.num_chunks());
        let num_instructions: usize = schedule.stages().iter().map(Vec::len).sum();
        let len = num_stages.saturating_mul(all).min(4 * num_instructions);
        let mut instructions = schedule.stages().iter().flatten();
        let trains = instructions.any(|it| it.op() == Op::Backward);
        Self {
            num_stages,
            num_micro_batches,
            forward: vec![T::NEVER; len],
            backward: vec![T::NEVER; if trains { len } else { 0 }],
        }
    }

    fn key(&self, stage: usize, instruction: Instruction) -> usize {
        let chunk = instruction.chunk().saturating_mul(self.num_micro_batches);
        let row = chunk.saturating_add(instruction.micro_batch());
        row.saturating_mul(self.num_stages).saturating_add(stage)
    }

    fn get(&self, stage: usize, instruction: Instruction) -> T {
        let delivered = match instruction.op() {
            Op::Forward => &self.forward,
            Op::Recompute => return T::NEVER,
            Op::Backward => &self.backward,
        };
        let time = delivered.get(self.key(stage, instruction));
        time.copied().unwrap_or(T::NEVER)
    }

    fn set(&mut self, stage: usize, instruction: Instruction, time: T) {
        let key = self.key(stage, instruction);
        let delivered = match instruction.op() {
            Op::Forward => &mut self.forward,
            Op::Recompute => return,
            Op::Backward => &mut self.backward,
        };
        if let Some(entry) = delivered.get_mut(key) {
            *entry = time;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScheduleKind;

    fn slots_of(text: &str) -> Vec<Vec<u32>> {
        slots(&text.parse().unwrap())
    }

    #[test]
    fn a_stage_waits_for_its_boundary_and_for_its_gradient() {
        let slots = slots_of("stage 0 F0 F1 B1 B0\nstage 1 F0 F1 B1 B0");
        assert_eq!(slots, [[0, 1, 4, 5], [1, 2, 3, 4]]);
    }

    #[test]
    fn the_last_stage_hands_over_to_the_next_chunk_of_the_first() {
        let slots = slots_of("stage 0 F0 F0.1 B0.1 B0\nstage 1 F0 F0.1 B0.1 B0");
        assert_eq!(slots, [[0, 2, 5, 7], [1, 3, 4, 6]]);
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
        let slots = slots_of("stage 0 F0 F4294967295\nstage 1 F4294967295");
        assert_eq!(slots, [vec![0, 1], vec![]]);
    }

    #[test]
    fn the_last_stage_of_gpipe_turns_around_without_a_pause() {
        let schedule = ScheduleKind::GPipe.schedule(16, 100).unwrap();
        let slots = slots(&schedule);
        let expected: Vec<u32> = (15..215).collect();
        assert_eq!(slots[15], expected);
    }
}
