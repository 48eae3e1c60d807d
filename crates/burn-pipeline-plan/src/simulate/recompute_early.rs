use std::collections::{HashMap, HashSet};

use super::{SimulateError, simulate};
use crate::{Costs, Instruction, Op, Schedule, Span, Timeline, schedule::Layout};

/// Hides recomputation in the bubble: the schedule with Recomputes moved to earlier places, where
/// their stages would otherwise wait.
///
/// Directly before its Backward, where [`rematerialize`](crate::rematerialize()) puts it, a
/// Recompute already runs while its stage waits for the gradient. Where the stage has waited longer
/// before, further ones fit there, and are out of the way when gradients come in quick succession.
/// A Recompute is moved only where it fits into a wait under these costs, and a stage is changed
/// only if the makespan shrinks by it; nothing else changes its place.
///
/// It costs memory: at its peak, a stage keeps the activations of up to `num_ahead` micro-batches
/// more than before. The number of micro-batches in flight stays what it was.
///
/// Under equal costs 1F1B of at least three stages gains, given enough micro-batches, while GPipe,
/// interleaved and breadth-first schedules have no wait in the right place and stay as they are. Where stages differ, others may
/// gain: GPipe does if its first stage is the slow one.
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
/// let early = recompute_early(&late, &costs, 1)?;
/// let makespan = |schedule| simulate(schedule, &costs).map(|it| it.timeline.makespan());
/// assert!(makespan(&early)? < makespan(&late)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// What [`simulate`](crate::simulate()) refuses is the same error here.
///
/// # Complexity
///
/// A few simulations for each micro-batch ahead that still helps, and one for each stage that has
/// changed, each linear in the number of instructions.
pub fn recompute_early(
    schedule: &Schedule,
    costs: &Costs,
    num_ahead: usize,
) -> Result<Schedule, SimulateError> {
    let mut best = simulate(schedule, costs)?.timeline;
    let mut changed = false;
    let limits = limits(schedule);
    for num_ahead in 1..=num_ahead {
        let limits: Vec<usize> = limits.iter().map(|it| it + num_ahead).collect();
        let shorter = hoist_all(&best, costs, &limits)?;
        let Some(shorter) = shorter else {
            break;
        };
        (best, changed) = (shorter, true);
    }
    match changed {
        true => take_back(schedule, &best, costs),
        false => Ok(schedule.clone()),
    }
}

/// The timeline after moving all that can be moved, as often as that makes it shorter; none if it
/// never does.
fn hoist_all(
    timeline: &Timeline,
    costs: &Costs,
    limits: &[usize],
) -> Result<Option<Timeline>, SimulateError> {
    let mut best = None;
    loop {
        let timeline = best.as_ref().unwrap_or(timeline);
        let layout = timeline.layout();
        let stages = limits.iter().enumerate().map(|(stage, &limit)| {
            let spans: Vec<Span> = timeline.stage(stage).copied().collect();
            Stage::new(&spans, costs, layout, limit).hoisted()
        });
        let next = simulate(&Schedule::new(stages.collect()), costs)?.timeline;
        if next.makespan() >= timeline.makespan() * (1.0 - ROUNDING) {
            return Ok(best);
        }
        best = Some(next);
    }
}

/// The schedule of `best`, but for the stages that can be as in `schedule` without making it
/// longer.
fn take_back(
    schedule: &Schedule,
    best: &Timeline,
    costs: &Costs,
) -> Result<Schedule, SimulateError> {
    let makespan = best.makespan() * (1.0 + ROUNDING);
    let mut stages: Vec<Vec<Instruction>> = best.schedule().into();
    for stage in 0..stages.len() {
        if stages[stage] == schedule.stage(stage) {
            continue;
        }
        let early = std::mem::replace(&mut stages[stage], schedule.stage(stage).to_vec());
        let without = simulate(&Schedule::new(stages.clone()), costs)?.timeline;
        if without.makespan() > makespan {
            stages[stage] = early;
        }
    }
    Ok(Schedule::new(stages))
}

/// Differences of makespans up to this share of them are rounding.
const ROUNDING: f64 = 1e-9;

/// The most micro-batches whose activations each stage keeps at once.
fn limits(schedule: &Schedule) -> Vec<usize> {
    let stages = (0..schedule.num_stages()).map(|stage| schedule.stage(stage));
    let most = |stage: &[Instruction]| recorded(stage.iter().copied()).into_iter().max();
    stages.map(|stage| most(stage).unwrap_or(0)).collect()
}

/// Of how many micro-batches a stage keeps the activations while it runs each instruction.
fn recorded(instructions: impl Iterator<Item = Instruction> + Clone) -> Vec<usize> {
    let recomputes = instructions.clone().filter(|it| it.op() == Op::Recompute);
    let recomputed: HashSet<Instruction> = recomputes.collect();
    let (mut num_recorded, mut num_done) = (0, 0);
    let count = |it: Instruction| {
        match it.op() {
            Op::Forward if recomputed.contains(&it.with_op(Op::Recompute)) => {}
            Op::Forward | Op::Recompute => num_recorded += 1,
            Op::Backward => num_done += 1,
        }
        // A Backward still needs what it is the last to use.
        num_recorded - num_done + usize::from(it.op() == Op::Backward)
    };
    instructions.map(count).collect()
}

struct Stage<'a> {
    spans: &'a [Span],
    costs: &'a Costs,
    layout: Layout,
    /// The most micro-batches whose activations the stage may keep at once.
    limit: usize,
    /// Of how many it does, while it runs each instruction.
    recorded: Vec<usize>,
    /// Where each instruction is.
    positions: HashMap<Instruction, usize>,
    /// Whether the instruction at a position has been moved away from it.
    moved: Vec<bool>,
    /// The first Recompute that has not been, or what comes after the last.
    next: usize,
}

impl<'a> Stage<'a> {
    fn new(spans: &'a [Span], costs: &'a Costs, layout: Layout, limit: usize) -> Self {
        let instructions = spans.iter().map(|it| it.instruction);
        Self {
            spans,
            costs,
            layout,
            limit,
            recorded: recorded(instructions.clone()),
            positions: instructions.enumerate().map(|(at, it)| (it, at)).collect(),
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
                for recorded in &mut self.recorded[position..late] {
                    *recorded += 1;
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
        let has_run = self
            .positions
            .get(&forward)
            .is_some_and(|&at| at < position);
        let fits = self.seconds(late) <= seconds * (1.0 + ROUNDING);
        let has_room = || {
            let mut between = self.recorded[position..late].iter();
            between.all(|&recorded| recorded < self.limit)
        };
        (late > position && has_run && fits && has_room()).then_some(late)
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
    use proptest::prelude::*;

    const COST: Cost = Cost {
        forward: 1.0,
        recompute: 1.0,
        backward: 2.0,
        boundary: 0.0,
        gradient: 0.0,
        boundary_bytes: 0,
        activation_bytes: 100,
    };

    fn late(kind: &ScheduleKind, num_stages: usize, num_micro_batches: usize) -> Schedule {
        let schedule = kind.schedule(num_stages, num_micro_batches).unwrap();
        rematerialize(schedule, Rematerialization::ExceptLast)
    }

    fn early(schedule: &Schedule, num_ahead: usize) -> Schedule {
        recompute_early(schedule, &Costs::equal(COST), num_ahead).unwrap()
    }

    fn makespan(schedule: &Schedule, costs: &Costs) -> f64 {
        simulate(schedule, costs).unwrap().timeline.makespan()
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
        insta::assert_snapshot!(early(&late, 2), @r"
        stage 0   F0 F1 F2 F3 R0          B0 F4 R1 B1 F5 R2 B2 R3    B3 R4 B4 R5 B5
        stage 1      F0 F1 F2 R0       B0 F3 R1 B1 F4 R2 B2 F5 R3 B3 R4 B4 R5 B5
        stage 2         F0 F1 R0 R1 B0 F2 B1 F3 R2 B2 F4 R3 B3 F5 R4 B4 R5 B5
        stage 3            F0 B0 F1 B1    F2 B2 F3 B3    F4 B4    F5 B5
        ");
        let makespan = |schedule| makespan(schedule, &Costs::equal(COST));
        assert!(makespan(&early(&late, 2)) < makespan(&late));
    }

    #[test]
    fn nothing_is_recomputed_ahead_unless_it_may_be() {
        let late = late(&ScheduleKind::OneForwardOneBackward, 4, 6);
        assert_eq!(early(&late, 0), late);
    }

    #[test]
    fn a_stage_that_gains_nothing_stays_as_it_was() {
        let late = late(&ScheduleKind::OneForwardOneBackward, 4, 8);
        let costs = Costs::equal(COST);
        assert_eq!(makespan(&late, &costs), 39.0);
        assert_eq!(makespan(&early(&late, 1), &costs), 38.0);
        assert_eq!(early(&late, 3), early(&late, 1));
    }

    #[test]
    fn gpipe_gains_where_the_first_stage_is_slow() {
        let late = late(&ScheduleKind::GPipe, 2, 6);
        let slow = |factor: f64| Cost {
            forward: factor,
            recompute: factor,
            backward: 2.0 * factor,
            ..COST
        };
        let costs = Costs::per_chunk(vec![slow(3.0), slow(1.0)]);
        let early = recompute_early(&late, &costs, 2).unwrap();
        assert_ne!(early.stage(0), late.stage(0));
        assert!(makespan(&early, &costs) < makespan(&late, &costs));
    }

    proptest! {
        #[test]
        fn nothing_gets_longer_and_memory_grows_by_what_was_allowed(
            kind in prop_oneof!["gpipe", "1f1b", "interleaved:2", "breadth-first:2"],
            (num_stages, num_micro_batches, num_ahead) in (1..4usize, 1..9usize, 0..4usize),
            seconds in prop::collection::vec((1..5u8, 1..5u8, 1..9u8), 6),
        ) {
            let late = late(&kind.parse().unwrap(), num_stages, num_micro_batches);
            let cost = |&(forward, recompute, backward): &(u8, u8, u8)| Cost {
                forward: forward.into(),
                recompute: recompute.into(),
                backward: backward.into(),
                ..COST
            };
            let num_places = num_stages * late.num_chunks();
            let costs = seconds.iter().take(num_places).map(cost);
            let costs = Costs::per_chunk(costs.collect());
            let early = recompute_early(&late, &costs, num_ahead).unwrap();

            prop_assert!(makespan(&early, &costs) <= makespan(&late, &costs));
            let peak = |schedule| simulate(schedule, &costs).unwrap().peak_bytes;
            for (early, late) in peak(&early).into_iter().zip(peak(&late)) {
                prop_assert!(early <= late + 100 * num_ahead as u64);
            }
            let others = |schedule: &Schedule, stage| -> Vec<Instruction> {
                let stage = schedule.stage(stage).iter();
                stage.filter(|it| it.op() != Op::Recompute).copied().collect()
            };
            for stage in 0..num_stages {
                prop_assert_eq!(others(&early, stage), others(&late, stage));
            }
        }
    }
}
