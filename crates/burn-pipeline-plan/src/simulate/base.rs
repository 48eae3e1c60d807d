use thiserror::Error;

use crate::{
    Cost, CostError, Costs, Instruction, Schedule, ScheduleError, Span, Timeline,
    cost::peak_bytes,
    schedule::{Clock, Layout, check_not_empty, validate_running},
};

/// What a schedule would do: who runs what when, and what each stage keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// Who runs which instruction from when to when. Its
    /// [`makespan`](Timeline::makespan) is the time of a step, its
    /// [`bubble_share`](Timeline::bubble_share) the share of it in which stages wait.
    pub timeline: Timeline,
    /// The most bytes that each stage keeps for its backward passes; see
    /// [`Memory`](crate::Memory) for what counts and how it changes over time.
    pub peak_bytes: Vec<u64>,
}

/// Why a schedule cannot be simulated.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SimulateError {
    /// The schedule cannot run.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The costs are not costs, or not the schedule's.
    #[error(transparent)]
    Costs(#[from] CostError),
}

/// Predicts what a schedule does under costs.
///
/// Each stage runs its instructions in order, each as soon as the one before has ended and what it
/// waits for has arrived. Boundaries and gradients travel while stages compute: sending occupies
/// nobody, and links are never crowded.
///
/// ```
/// use burn_pipeline_plan::{Cost, Costs, ScheduleKind, simulate};
///
/// let schedule = ScheduleKind::OneForwardOneBackward.schedule(4, 8)?;
/// let costs = Costs::equal(Cost {
///     forward: 1.0,
///     backward: 2.0,
///     activation_bytes: 1 << 20,
///     ..Cost::default()
/// });
/// let simulation = simulate(&schedule, &costs)?;
/// assert_eq!(simulation.timeline.makespan(), (8.0 + 3.0) * 3.0);
/// assert_eq!(simulation.peak_bytes, [4 << 20, 3 << 20, 2 << 20, 1 << 20]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Complexity
///
/// Time and memory are linear in the number of instructions.
pub fn simulate(schedule: &Schedule, costs: &Costs) -> Result<Simulation, SimulateError> {
    check_not_empty(schedule)?;
    costs.check(schedule)?;
    let layout = schedule.layout();
    let executed = validate_running(schedule, Seconds { layout, costs })?;
    let stages = (0..layout.num_stages).map(|stage| {
        let spans = executed.spans(stage);
        spans.map(move |(instruction, start, end)| Span::new(stage, instruction, start, end))
    });
    let timeline = Timeline::of_stages(stages.map(Iterator::collect).collect());
    Ok(Simulation {
        peak_bytes: peak_bytes(&timeline, layout, costs),
        timeline,
    })
}

/// Instructions take what they cost.
struct Seconds<'a> {
    layout: Layout,
    costs: &'a Costs,
}

impl Seconds<'_> {
    fn cost(&self, stage: usize, instruction: Instruction) -> &Cost {
        let place = self.layout.place(stage, instruction.chunk());
        self.costs.get(place, instruction.micro_batch())
    }
}

impl Clock for Seconds<'_> {
    type Time = f64;

    fn end(&self, stage: usize, instruction: Instruction, start: f64) -> f64 {
        let cost = self.cost(stage, instruction);
        add(start, cost.seconds(instruction.op()))
    }

    fn arrival(&self, stage: usize, instruction: Instruction, end: f64) -> f64 {
        let cost = self.cost(stage, instruction);
        add(end, cost.delivery(instruction.op()))
    }
}

/// A time after another one. Infinity stands for what never happens.
fn add(time: f64, seconds: f64) -> f64 {
    (time + seconds).min(f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{forward_only, recompute_early, validate};
    use rstest::rstest;

    #[test]
    fn boundaries_and_gradients_travel_while_stages_compute() {
        let schedule = "stage 0 F0 F1 B0 B1\nstage 1 F0 F1 B0 B1".parse().unwrap();
        let costs = Costs::equal(Cost {
            forward: 2.0,
            backward: 3.0,
            boundary: 1.0,
            gradient: 0.5,
            ..Cost::default()
        });
        let timeline = simulate(&schedule, &costs).unwrap().timeline;
        let starts = |stage| timeline.stage(stage).map(|it| it.start).collect::<Vec<_>>();
        assert_eq!(starts(0), [0.0, 2.0, 10.5, 13.5]);
        assert_eq!(starts(1), [3.0, 5.0, 7.0, 10.0]);
        assert_eq!(timeline.makespan(), 16.5);
    }

    #[rstest]
    #[case::one_stage("stage 0 F0 B0 F1 B1", 6.0)]
    #[case::one_stage_of_two_chunks("stage 0 F0 F0.1 B0.1 B0", 6.0)]
    #[case::the_last_stage_turns_around("stage 0 F0 F1 B0 B1\nstage 1 F0 B0 F1 B1", 11.0)]
    fn what_stays_on_its_stage_has_no_way_to_go(#[case] schedule: &str, #[case] makespan: f64) {
        let costs = Costs::equal(Cost {
            forward: 1.0,
            backward: 2.0,
            boundary: 1.0,
            gradient: 1.0,
            ..Cost::default()
        });
        let simulation = simulate(&schedule.parse().unwrap(), &costs).unwrap();
        assert_eq!(simulation.timeline.makespan(), makespan);
    }

    #[rstest]
    fn a_schedule_of_nothing_is_an_error(#[values("", "stage 0")] schedule: &str) {
        let schedule = schedule.parse().unwrap();
        let costs = Costs::equal(Cost::default());
        assert_eq!(
            simulate(&schedule, &costs).unwrap_err().to_string(),
            validate(&schedule).unwrap_err().to_string()
        );
        assert!(recompute_early(&schedule, &costs, 1).is_err());
    }

    #[test]
    fn micro_batches_may_differ() {
        let schedule = forward_only(2, 1, 2).unwrap();
        let cost = |forward| Cost {
            forward,
            ..Cost::default()
        };
        let costs = Costs::new(vec![vec![cost(1.0), cost(5.0)], vec![cost(2.0)]]);
        let simulation = simulate(&schedule, &costs).unwrap();
        assert_eq!(simulation.timeline.makespan(), 8.0);
    }

    #[test]
    fn inference_keeps_nothing() {
        let costs = Costs::equal(Cost {
            activation_bytes: 100,
            ..Cost::default()
        });
        let simulation = simulate(&forward_only(3, 1, 4).unwrap(), &costs).unwrap();
        assert_eq!(simulation.peak_bytes, [0, 0, 0]);
    }

    #[test]
    fn costs_beyond_all_bounds_still_end() {
        let costs = Costs::equal(Cost {
            forward: f64::MAX,
            backward: f64::MAX,
            boundary: f64::MAX,
            activation_bytes: u64::MAX,
            ..Cost::default()
        });
        let schedule = crate::ScheduleKind::GPipe.schedule(2, 2).unwrap();
        let simulation = simulate(&schedule, &costs).unwrap();
        assert_eq!(simulation.timeline.makespan(), f64::MAX);
        assert_eq!(simulation.peak_bytes, [u64::MAX, u64::MAX]);
    }
}
