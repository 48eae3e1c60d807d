use std::collections::HashSet;

use super::{SimulateError, simulate};
use crate::{Costs, Instruction, Op, Schedule, Span, Timeline, schedule::Layout};

/// Hides recomputation in the bubble: the schedule with each Recompute moved to an earlier place
/// where its stage would otherwise wait, if there is one.
///
/// Directly before its Backward, where [`rematerialize`](crate::rematerialize()) puts it, a
/// Recompute already runs while its stage waits for the gradient. Where the stage has waited longer
/// before, further ones fit there, and are out of the way when gradients come in quick succession.
/// A Recompute is moved only where it fits into a wait under these costs, and only if the makespan
/// shrinks; nothing else changes its place.
///
/// It costs memory: a stage holds up to `num_recomputed` recomputed micro-batches at once, where 1
/// is what there was before. So a stage keeps at most `num_recomputed - 1` times its activations
/// more, less as many boundaries.
///
/// ```
/// use burn_pipeline_plan::{
///     Cost, Costs, Rematerialization, ScheduleKind, recompute_early, rematerialize, simulate,
/// };
///
/// let costs = Costs::equal(Cost {
///     forward: 1.0,
///     recompute: 1.0,
///     backward: 2.0,
///     ..Cost::default()
/// });
/// let schedule = ScheduleKind::OneForwardOneBackward.schedule(3, 4)?;
/// let late = rematerialize(schedule, Rematerialization::ExceptLast);
/// let early = recompute_early(&late, &costs, 2)?;
/// assert!(
///     simulate(&early, &costs)?.timeline.makespan() < simulate(&late, &costs)?.timeline.makespan()
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// What [`simulate`](crate::simulate()) refuses is the same error here.
///
/// # Complexity
///
/// A few simulations, each linear in the number of instructions.
pub fn recompute_early(
    schedule: &Schedule,
    costs: &Costs,
    num_recomputed: usize,
) -> Result<Schedule, SimulateError> {
    let mut best = schedule.clone();
    let mut timeline = simulate(&best, costs)?.timeline;
    loop {
        let layout = best.layout();
        let stages = (0..layout.num_stages).map(|stage| {
            let spans: Vec<Span> = timeline.stage(stage).copied().collect();
            Stage::new(&spans, costs, layout, num_recomputed).hoisted()
        });
        let next = Schedule::new(stages.collect());
        let next_timeline = simulate(&next, costs)?.timeline;
        if !is_shorter(&next_timeline, &timeline) {
            return Ok(best);
        }
        (best, timeline) = (next, next_timeline);
    }
}

/// By more than rounding.
fn is_shorter(one: &Timeline, other: &Timeline) -> bool {
    one.makespan() < other.makespan() * (1.0 - 1e-9)
}

struct Stage<'a> {
    spans: &'a [Span],
    costs: &'a Costs,
    layout: Layout,
    num_recomputed: usize,
    /// How many micro-batches are recomputed and not yet run backward, before each instruction.
    held: Vec<usize>,
    /// Whether the instruction at a position has been moved away from it.
    moved: Vec<bool>,
    /// The first Recompute that has not been, or what comes after the last.
    next: usize,
}

impl<'a> Stage<'a> {
    fn new(spans: &'a [Span], costs: &'a Costs, layout: Layout, num_recomputed: usize) -> Self {
        let mut held = Vec::with_capacity(spans.len());
        let mut recomputed = HashSet::new();
        for Span { instruction, .. } in spans {
            held.push(recomputed.len());
            match instruction.op() {
                Op::Forward => {}
                Op::Recompute => {
                    recomputed.insert(*instruction);
                }
                Op::Backward => {
                    recomputed.remove(&instruction.with_op(Op::Recompute));
                }
            }
        }
        Self {
            spans,
            costs,
            layout,
            num_recomputed,
            held,
            moved: vec![false; spans.len()],
            next: 0,
        }
    }

    /// The instructions, with those that fit moved before the instructions that the stage waits
    /// for.
    fn hoisted(mut self) -> Vec<Instruction> {
        let mut instructions = Vec::with_capacity(self.spans.len());
        let mut free = 0.0;
        for position in 0..self.spans.len() {
            let Span {
                instruction,
                start,
                end,
                ..
            } = self.spans[position];
            while let Some(late) = self.next_recompute(position, start - free) {
                instructions.push(self.spans[late].instruction);
                free += self.seconds(late);
                self.moved[late] = true;
                for held in &mut self.held[position..=late] {
                    *held += 1;
                }
            }
            if !self.moved[position] {
                instructions.push(instruction);
            }
            free = end;
        }
        instructions
    }

    /// The next Recompute from a position on, if it can run before that, in a wait of `seconds`.
    fn next_recompute(&mut self, position: usize, seconds: f64) -> Option<usize> {
        if seconds <= 0.0 {
            return None;
        }
        let is_late =
            |&at: &usize| self.spans[at].instruction.op() == Op::Recompute && !self.moved[at];
        let late = (self.next.max(position)..self.spans.len()).find(is_late);
        self.next = late.unwrap_or(self.spans.len());
        let late = late?;
        let forward = self.spans[late].instruction.with_op(Op::Forward);
        let between = &self.spans[position..late];
        let has_run = between.iter().all(|it| it.instruction != forward);
        let most = self.held[position..=late].iter().max();
        let has_room = most.is_none_or(|&most| most < self.num_recomputed);
        let fits = self.seconds(late) <= seconds * (1.0 + 1e-9);
        (late > position && has_run && has_room && fits).then_some(late)
    }

    fn seconds(&self, position: usize) -> f64 {
        let Span {
            stage, instruction, ..
        } = self.spans[position];
        let place = self.layout.place(stage, instruction.chunk());
        self.costs.get(place, instruction.micro_batch()).recompute
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cost, Rematerialization, ScheduleKind, rematerialize};
    use rstest::rstest;

    const COST: Cost = Cost {
        forward: 1.0,
        recompute: 1.0,
        backward: 2.0,
        boundary: 0.0,
        gradient: 0.0,
        boundary_bytes: 1,
        activation_bytes: 100,
    };

    fn late(kind: &ScheduleKind, num_stages: usize, num_micro_batches: usize) -> Schedule {
        let schedule = kind.schedule(num_stages, num_micro_batches).unwrap();
        rematerialize(schedule, Rematerialization::ExceptLast)
    }

    fn early(schedule: &Schedule, num_recomputed: usize) -> Schedule {
        recompute_early(schedule, &Costs::equal(COST), num_recomputed).unwrap()
    }

    fn makespan(schedule: &Schedule) -> f64 {
        let simulation = simulate(schedule, &Costs::equal(COST)).unwrap();
        simulation.timeline.makespan()
    }

    #[test]
    fn recomputes_move_into_the_wait_before_the_first_gradient() {
        let late = late(&ScheduleKind::OneForwardOneBackward, 4, 6);
        insta::assert_snapshot!(late, @r"
        stage 0   F0 F1 F2 F3 R0       B0 F4 R1 B1 F5 R2 B2 R3    B3 R4    B4 R5 B5
        stage 1      F0 F1 F2 R0    B0 F3 R1 B1 F4 R2 B2 F5 R3 B3 R4    B4 R5 B5
        stage 2         F0 F1 R0 B0 F2 R1 B1 F3 R2 B2 F4 R3 B3 F5 R4 B4 R5 B5
        stage 3            F0 B0 F1 B1 F2 B2    F3 B3    F4 B4    F5 B5
        ");
        insta::assert_snapshot!(early(&late, 3), @r"
        stage 0   F0 F1 F2 F3 R0 R1 R2    B0 F4 B1 F5    B2 R3 R4 B3 R5    B4    B5
        stage 1      F0 F1 F2 R0 R1 R2 B0 F3 B1 F4    B2 F5 R3 B3 R4 R5 B4    B5
        stage 2         F0 F1 R0 R1 B0 F2 B1 F3 R2 B2 F4 R3 B3 F5 R4 B4 R5 B5
        stage 3            F0 B0 F1 B1    F2 B2 F3 B3    F4 B4    F5 B5
        ");
        assert!(makespan(&early(&late, 3)) < makespan(&late));
    }

    #[test]
    fn one_recomputed_micro_batch_at_a_time_is_what_there_was() {
        let late = late(&ScheduleKind::OneForwardOneBackward, 4, 6);
        assert_eq!(early(&late, 1), late);
    }

    #[rstest]
    fn nothing_gets_longer_and_memory_grows_by_what_was_allowed(
        #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] kind: &str,
        #[values(2, 4)] num_stages: usize,
        #[values(3, 8, 13)] num_micro_batches: usize,
        #[values(1, 2, 4)] num_recomputed: usize,
    ) {
        let late = late(&kind.parse().unwrap(), num_stages, num_micro_batches);
        let early = early(&late, num_recomputed);
        assert!(makespan(&early) <= makespan(&late));
        let peak = |schedule| simulate(schedule, &Costs::equal(COST)).unwrap().peak_bytes;
        for (early, late) in peak(&early).into_iter().zip(peak(&late)) {
            assert!(early <= late + (num_recomputed as u64 - 1) * (100 - 1));
        }
        for stage in 0..num_stages {
            let others = |schedule: &Schedule| -> Vec<Instruction> {
                let stage = schedule.stage(stage).iter();
                stage
                    .filter(|it| it.op() != Op::Recompute)
                    .copied()
                    .collect()
            };
            assert_eq!(others(&early), others(&late));
        }
    }
}
