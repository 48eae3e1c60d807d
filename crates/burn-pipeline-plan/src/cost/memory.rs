use std::collections::HashSet;

use super::Costs;
use crate::{Op, Timeline, schedule::Layout};

/// How many bytes each stage keeps for its backward passes over time.
///
/// From a recorded Forward on, a micro-batch keeps its activations; from one that is recomputed
/// on, its boundary, and from its Recompute on its activations. Either ends with its Backward.
/// What the layers need while they run, and parameters, are not counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    stages: Vec<Vec<(f64, u64)>>,
}

impl Memory {
    /// What costs say that the stages of a timeline keep.
    pub(super) fn of(timeline: &Timeline, costs: &Costs) -> Self {
        let layout = timeline.layout();
        let stage = |stage| {
            let mut levels = Vec::new();
            follow(timeline, layout, stage, costs, |time, bytes| {
                levels.push((time, bytes));
            });
            levels
        };
        Self {
            stages: (0..timeline.num_stages()).map(stage).collect(),
        }
    }

    /// The times at which what a stage keeps changes, in seconds, each with the bytes from then on.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn levels(&self, stage: usize) -> &[(f64, u64)] {
        &self.stages[stage]
    }

    /// The most bytes that a stage keeps.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn peak_bytes(&self, stage: usize) -> u64 {
        let levels = self.levels(stage).iter();
        levels.map(|&(_, bytes)| bytes).max().unwrap_or(0)
    }
}

impl Costs {
    /// How many bytes each stage of a timeline keeps over time, at these costs.
    ///
    /// # Panics
    ///
    /// If the costs are not those of the timeline's chunks and micro-batches.
    pub fn memory(&self, timeline: &Timeline) -> Memory {
        Memory::of(timeline, self)
    }
}

/// The most bytes that each stage keeps.
pub(crate) fn peak_bytes(timeline: &Timeline, layout: Layout, costs: &Costs) -> Vec<u64> {
    let peak = |stage| {
        let mut peak = 0;
        follow(timeline, layout, stage, costs, |_, bytes| {
            peak = peak.max(bytes);
        });
        peak
    };
    (0..layout.num_stages).map(peak).collect()
}

/// Tells how many bytes a stage keeps after each change. One that runs nothing backward keeps
/// nothing.
fn follow(
    timeline: &Timeline,
    layout: Layout,
    stage: usize,
    costs: &Costs,
    mut level: impl FnMut(f64, u64),
) {
    let has = |op| {
        timeline
            .stage(stage)
            .filter(move |it| it.instruction.op() == op)
    };
    if has(Op::Backward).next().is_none() {
        return;
    }
    let recomputed: HashSet<_> = has(Op::Recompute).map(|it| it.instruction).collect();
    let mut bytes = 0u64;
    for span in timeline.stage(stage) {
        let instruction = span.instruction;
        let place = layout.place(stage, instruction.chunk());
        let cost = costs.get(place, instruction.micro_batch());
        let time = match instruction.op() {
            Op::Forward => {
                let is_recomputed = recomputed.contains(&instruction.with_op(Op::Recompute));
                bytes = bytes.saturating_add(match is_recomputed {
                    true => cost.boundary_bytes,
                    false => cost.activation_bytes,
                });
                span.start
            }
            Op::Recompute => {
                bytes = bytes.saturating_sub(cost.boundary_bytes);
                bytes = bytes.saturating_add(cost.activation_bytes);
                span.start
            }
            Op::Backward => {
                bytes = bytes.saturating_sub(cost.activation_bytes);
                span.end
            }
        };
        level(time, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cost, Rematerialization, Schedule, rematerialize};

    const COST: Cost = Cost {
        forward: 1.0,
        recompute: 1.0,
        backward: 1.0,
        boundary: 0.0,
        gradient: 0.0,
        boundary_bytes: 10,
        activation_bytes: 100,
    };

    fn memory(schedule: &Schedule) -> Memory {
        Costs::equal(COST).memory(&Timeline::of_slots(schedule).unwrap())
    }

    #[test]
    fn a_micro_batch_keeps_its_activations_until_its_backward_ends() {
        let schedule = "stage 0 F0 F1 B1 B0".parse().unwrap();
        let levels = [(0.0, 100), (1.0, 200), (3.0, 100), (4.0, 0)];
        assert_eq!(memory(&schedule).levels(0), levels);
        assert_eq!(memory(&schedule).peak_bytes(0), 200);
    }

    #[test]
    fn a_micro_batch_that_is_recomputed_keeps_its_boundary_until_then() {
        let schedule: Schedule = "stage 0 F0 F1 F2 B2 B1 B0".parse().unwrap();
        let schedule = rematerialize(schedule, Rematerialization::ExceptLast);
        let levels = [
            (0.0, 10),
            (1.0, 20),
            (2.0, 120),
            (4.0, 20),
            (4.0, 110),
            (6.0, 10),
            (6.0, 100),
            (8.0, 0),
        ];
        assert_eq!(memory(&schedule).levels(0), levels);
    }
}
