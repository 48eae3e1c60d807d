//! Schedules to train by: the named ones, and random legal ones.

use std::collections::HashSet;

use burn_pipeline::{Instruction, Op, Schedule, ScheduleKind};
use proptest::prelude::*;
use proptest::test_runner::TestRng;

/// Whether a schedule of this kind runs the last micro-batch backward first.
pub fn last_first(kind: &ScheduleKind) -> bool {
    match kind {
        ScheduleKind::GPipe | ScheduleKind::BreadthFirst { .. } => true,
        ScheduleKind::OneForwardOneBackward | ScheduleKind::Interleaved { .. } => false,
        ScheduleKind::Custom(_) => panic!("a custom schedule has any order"),
    }
}

/// Schedules of up to 3 stages, 2 chunks and 4 micro-batches, made by running whatever can run in
/// random order, with some of the micro-batches recomputed.
pub fn legal_schedule() -> impl Strategy<Value = Schedule> {
    let numbers = (1..4usize, 1..3usize, 1..5usize);
    numbers.prop_perturb(|(num_stages, num_chunks, num_micro_batches), mut rng| {
        Random::new(num_stages, num_chunks, num_micro_batches, &mut rng).schedule(&mut rng)
    })
}

struct Random {
    num_stages: usize,
    num_places: usize,
    recomputed: Vec<Vec<bool>>,
    ran: HashSet<(usize, Instruction)>,
}

impl Random {
    fn new(
        num_stages: usize,
        num_chunks: usize,
        num_micro_batches: usize,
        rng: &mut TestRng,
    ) -> Self {
        let num_places = num_stages * num_chunks;
        let mut flip = |_| rng.random_bool(0.4);
        let recomputed = (0..num_places)
            .map(|_| (0..num_micro_batches).map(&mut flip).collect())
            .collect();
        Self {
            num_stages,
            num_places,
            recomputed,
            ran: HashSet::new(),
        }
    }

    fn schedule(mut self, rng: &mut TestRng) -> Schedule {
        let mut stages = vec![Vec::new(); self.num_stages];
        loop {
            let ready = self.ready();
            if ready.is_empty() {
                return Schedule::new(stages);
            }
            let (place, instruction) = ready[rng.random_range(0..ready.len())];
            self.ran.insert((place, instruction));
            stages[place % self.num_stages].push(instruction);
        }
    }

    /// What can run next, at which place.
    fn ready(&self) -> Vec<(usize, Instruction)> {
        let mut ready = Vec::new();
        for place in 0..self.num_places {
            for (m, &recompute) in self.recomputed[place].iter().enumerate() {
                let at = |op, place: usize| {
                    let instruction = Instruction::new(op, m).on_chunk(place / self.num_stages);
                    (place, instruction)
                };
                let ran = |op, place| self.ran.contains(&at(op, place));
                let forward = ran(Op::Forward, place);
                let recorded = forward && (!recompute || ran(Op::Recompute, place));
                let last = place + 1 == self.num_places;
                let can_run = [
                    (Op::Forward, place == 0 || ran(Op::Forward, place - 1)),
                    (Op::Recompute, forward && recompute),
                    (
                        Op::Backward,
                        recorded && (last || ran(Op::Backward, place + 1)),
                    ),
                ];
                let can_run = can_run
                    .into_iter()
                    .filter(|&(op, can)| can && !ran(op, place));
                ready.extend(can_run.map(|(op, _)| at(op, place)));
            }
        }
        ready
    }
}
