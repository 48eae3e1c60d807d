use thiserror::Error;

use crate::{
    CostError, Costs, Schedule, ScheduleError, Span, Timeline,
    cost::peak_bytes,
    schedule::{Ran, validate_running},
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
    costs.check(schedule)?;
    let layout = schedule.layout();
    let executed = validate_running(schedule, |stage, instruction, start: f64| {
        let place = layout.place(stage, instruction.chunk());
        let cost = costs.get(place, instruction.micro_batch());
        let end = start + cost.seconds(instruction.op());
        Ran {
            end,
            delivered: end + cost.delivery(instruction.op()),
        }
    })?;
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
