//! Validation against an exhaustive search, on random schedules that are legal or nearly so.

use std::collections::HashSet;

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRng};

use crate::{Instruction, Op, Schedule, ScheduleError, validate};

/// How far each stage has got.
type State = Vec<usize>;

/// Runs a schedule in every possible way, one instruction of one stage after the other.
struct Search<'a>(&'a Schedule);

impl Search<'_> {
    /// The states in which no stage can go on.
    fn ends(&self) -> HashSet<State> {
        let mut open = vec![vec![0; self.0.num_stages()]];
        let mut seen: HashSet<State> = open.iter().cloned().collect();
        let mut ends = HashSet::new();
        while let Some(state) = open.pop() {
            let can_go_on = |&stage: &usize| self.can_go_on(&state, stage);
            let stages: Vec<usize> = (0..state.len()).filter(can_go_on).collect();
            if stages.is_empty() {
                ends.insert(state.clone());
            }
            for stage in stages {
                let mut next = state.clone();
                next[stage] += 1;
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        ends
    }

    fn can_go_on(&self, state: &State, stage: usize) -> bool {
        let Some(&next) = self.0.stage(stage).get(state[stage]) else {
            return false;
        };
        let num_stages = self.0.num_stages();
        let num_places = num_stages * self.0.num_chunks();
        let place = next.chunk() * num_stages + stage;
        let ran = |op, place: usize| {
            let instruction = next.with_op(op).on_chunk(place / num_stages);
            let stage = place % num_stages;
            self.0.stage(stage)[..state[stage]].contains(&instruction)
        };
        let in_flight = ran(Op::Forward, place) && !ran(Op::Backward, place);
        match next.op() {
            Op::Forward => !ran(Op::Forward, place) && (place == 0 || ran(Op::Forward, place - 1)),
            Op::Recompute => in_flight && !ran(Op::Recompute, place),
            Op::Backward => in_flight && (place + 1 == num_places || ran(Op::Backward, place + 1)),
        }
    }

    /// Whether every run ends with everything run, and everything is there to be run.
    fn is_legal(&self) -> bool {
        let schedule = self.0;
        let stages = (0..schedule.num_stages()).map(|stage| schedule.stage(stage));
        let end: State = stages.clone().map(<[_]>::len).collect();
        let count = |op| {
            let instructions = stages.clone().flatten();
            instructions.filter(|it| it.op() == op).count()
        };
        let (forwards, backwards) = (count(Op::Forward), count(Op::Backward));
        let all = schedule.num_stages() * schedule.num_chunks() * schedule.num_micro_batches();
        let complete = forwards == all
            && all > 0
            && (backwards == all || backwards + count(Op::Recompute) == 0);
        complete && self.ends() == HashSet::from([end])
    }
}

/// A schedule made by running whatever can run, in random order.
fn legal(
    num_stages: usize,
    num_chunks: usize,
    num_micro_batches: usize,
    rng: &mut TestRng,
) -> Schedule {
    let num_places = num_stages * num_chunks;
    let mut stages = vec![Vec::new(); num_stages];
    let mut ran: HashSet<(Op, usize, usize)> = HashSet::new();
    let recomputed: Vec<bool> = (0..num_places * num_micro_batches)
        .map(|_| rng.random_bool(0.3))
        .collect();
    loop {
        let mut ready = Vec::new();
        for place in 0..num_places {
            for m in 0..num_micro_batches {
                let done = |op, place| ran.contains(&(op, place, m));
                let forward = done(Op::Forward, place);
                let recompute = recomputed[place * num_micro_batches + m];
                let gradient = place + 1 == num_places || done(Op::Backward, place + 1);
                let recorded = forward && (!recompute || done(Op::Recompute, place));
                let can_run = [
                    (Op::Forward, place == 0 || done(Op::Forward, place - 1)),
                    (Op::Recompute, forward && recompute),
                    (Op::Backward, recorded && gradient),
                ];
                let can_run = can_run
                    .into_iter()
                    .filter(|&(op, can)| can && !done(op, place));
                ready.extend(can_run.map(|(op, _)| (op, place, m)));
            }
        }
        if ready.is_empty() {
            return Schedule::new(stages);
        }
        let (op, place, m) = ready[rng.random_range(0..ready.len())];
        ran.insert((op, place, m));
        let instruction = Instruction::new(op, m).on_chunk(place / num_stages);
        stages[place % num_stages].push(instruction);
    }
}

fn legal_schedule() -> impl Strategy<Value = Schedule> {
    let numbers = (1..4usize, 1..3usize, 1..4usize);
    numbers.prop_perturb(|(k, v, m), mut rng| legal(k, v, m, &mut rng))
}

/// Whether an error speaks of an instruction of a stage.
fn names(error: &ScheduleError, of_stage: usize, it: Instruction) -> bool {
    match *error {
        ScheduleError::Missing {
            stage, instruction, ..
        }
        | ScheduleError::Repeated {
            stage, instruction, ..
        } => (stage, instruction) == (of_stage, it),
        ScheduleError::Order {
            stage,
            instruction,
            earlier,
            ..
        } => stage == of_stage && [instruction, earlier].contains(&it),
        ScheduleError::Deadlock { ref waits, .. } => waits.iter().any(|wait| {
            (wait.stage, wait.instruction) == (of_stage, it)
                || (wait.awaited_stage, wait.awaited) == (of_stage, it)
        }),
        _ => false,
    }
}

fn stages_of(schedule: &Schedule) -> Vec<Vec<Instruction>> {
    schedule.clone().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_legal_schedule_is_valid_and_never_stops(schedule in legal_schedule()) {
        prop_assert_eq!(validate(&schedule), Ok(()));
        prop_assert!(Search(&schedule).is_legal());
    }

    #[test]
    fn any_order_is_judged_as_by_exhaustive_search(
        schedule in legal_schedule(),
        swaps in vec(any::<(Index, Index)>(), 1..8),
    ) {
        let mut stages = stages_of(&schedule);
        for (stage, position) in swaps {
            let stage = stage.get_mut(&mut stages);
            let position = position.index(stage.len());
            if position > 0 {
                stage.swap(position - 1, position);
            }
        }
        let schedule = Schedule::new(stages);
        prop_assert_eq!(
            validate(&schedule).is_ok(),
            Search(&schedule).is_legal(),
            "{}\\n{:?}",
            schedule,
            validate(&schedule)
        );
    }

    #[test]
    fn an_instruction_that_was_moved_is_named(
        schedule in legal_schedule(),
        (stage, from, to) in any::<(Index, Index, Index)>(),
    ) {
        let mut stages = stages_of(&schedule);
        let stage = stage.index(stages.len());
        let list = &mut stages[stage];
        let moved = list.remove(from.index(list.len()));
        list.insert(to.index(list.len() + 1), moved);
        let schedule = Schedule::new(stages);
        match validate(&schedule) {
            Ok(()) => prop_assert!(Search(&schedule).is_legal()),
            Err(error) => {
                prop_assert!(!Search(&schedule).is_legal());
                prop_assert!(names(&error, stage, moved), "{moved} of stage {stage}: {error}");
            }
        }
    }

    #[test]
    fn an_instruction_that_was_lost_is_named(
        schedule in legal_schedule(),
        (stage, position) in any::<(Index, Index)>(),
    ) {
        let mut stages = stages_of(&schedule);
        let stage = stage.index(stages.len());
        let list = &mut stages[stage];
        let lost = list.remove(position.index(list.len()));
        prop_assume!(lost.op() != Op::Recompute);
        let schedule = Schedule::new(stages);
        // Without its only backward, a schedule is one of inference.
        prop_assume!(!Search(&schedule).is_legal());
        let error = validate(&schedule).unwrap_err();
        prop_assert!(names(&error, stage, lost), "{lost} of stage {stage}: {error}");
    }

    #[test]
    fn an_instruction_that_was_repeated_is_named(
        schedule in legal_schedule(),
        (from, position, stage, to) in any::<(Index, Index, Index, Index)>(),
    ) {
        let mut stages = stages_of(&schedule);
        let list = from.get(&stages);
        let repeated = list[position.index(list.len())];
        let stage = stage.index(stages.len());
        let list = &mut stages[stage];
        prop_assume!(list.contains(&repeated));
        list.insert(to.index(list.len() + 1), repeated);
        let error = validate(&Schedule::new(stages)).unwrap_err();
        prop_assert!(names(&error, stage, repeated), "{repeated} of stage {stage}: {error}");
    }

    #[test]
    fn an_instruction_that_went_to_another_stage_is_named(
        schedule in legal_schedule(),
        (from, position, stage, to) in any::<(Index, Index, Index, Index)>(),
    ) {
        let mut stages = stages_of(&schedule);
        let (from, stage) = (from.index(stages.len()), stage.index(stages.len()));
        prop_assume!(from != stage);
        let list = &mut stages[from];
        let moved = list.remove(position.index(list.len()));
        prop_assume!(moved.op() != Op::Recompute);
        let list = &mut stages[stage];
        list.insert(to.index(list.len() + 1), moved);
        let error = validate(&Schedule::new(stages)).unwrap_err();
        let named = names(&error, from, moved) || names(&error, stage, moved);
        prop_assert!(named, "{moved} of stage {from}, on stage {stage}: {error}");
    }
}
