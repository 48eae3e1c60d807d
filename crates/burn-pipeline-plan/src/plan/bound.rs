//! How fast a step can be at best: what rules candidates out before they are simulated.

use super::{candidate::Candidate, tables::Tables};
use crate::{Rematerialization, ScheduleKind};

/// The least seconds of a step under any partition and placement.
///
/// With `W` the work of the mini-batch and `S` stages, no step is shorter than `W` shared by the
/// `S` fastest devices. With one chunk per stage, stage `s` waits for a micro-batch to come through
/// the stages before and to go back through them: at times `t_s` per micro-batch the step takes at
/// least `M t_s + t_0 + ... + t_(s-1)` for every `s`. Weighted so that each `t_s` counts the same,
/// these say that it takes at least `T / (1 - (1 - 1/M)^S)` for `T` the time of one micro-batch on
/// all stages.
pub(super) fn of_candidate(tables: &Tables, candidate: &Candidate, sizes: &[usize]) -> f64 {
    let num_micro_batches = sizes.len();
    let (small, large) = extremes(sizes);
    let num_large = sizes.iter().filter(|it| **it != small).count();
    // Where sizes differ, which micro-batch is not recomputed decides how much is: none is counted.
    let recomputed = match num_large {
        0 => least_recomputed(candidate),
        _ => 0.0,
    };
    let work = |num_samples: usize| {
        let least = tables.size(num_samples).least;
        least.recorded + recomputed * least.forward
    };
    let num_small = (num_micro_batches - num_large) as f64;
    let work = num_small * work(small) + num_large as f64 * work(large);
    let shared = work / capacity(tables, candidate.num_stages);
    let first = tables.size(small).least.pass;
    if candidate.kind.num_chunks() > 1 {
        return shared.max(first);
    }
    let share = 1.0 / num_micro_batches as f64;
    let waits = first / (1.0 - (1.0 - share).powf(candidate.num_stages as f64));
    shared.max(waits)
}

/// The smallest and the largest of some numbers of samples.
pub(super) fn extremes(sizes: &[usize]) -> (usize, usize) {
    let (min, max) = (sizes.iter().min(), sizes.iter().max());
    (min.copied().unwrap_or(1), max.copied().unwrap_or(1))
}

/// The least share of the micro-batches that every stage recomputes.
fn least_recomputed(candidate: &Candidate) -> f64 {
    let num_micro_batches = candidate.num_micro_batches as f64;
    match (candidate.rematerialization, &candidate.kind) {
        (Rematerialization::Always, _) => 1.0,
        (
            Rematerialization::ExceptLast,
            ScheduleKind::GPipe | ScheduleKind::BreadthFirst { .. },
        ) => (num_micro_batches - 1.0) / num_micro_batches,
        _ => 0.0,
    }
}

/// How many of the fastest device the fastest `num_stages` devices are worth at most.
fn capacity(tables: &Tables, num_stages: usize) -> f64 {
    let num_devices = tables.costs.cluster().num_devices();
    let speed = |device: usize| tables.costs.most_speed(device);
    let mut speeds: Vec<f64> = (0..num_devices).map(speed).collect();
    speeds.sort_by(|a, b| b.total_cmp(a));
    speeds[..num_stages].iter().sum()
}

/// A place along the model under a partition: its least times for one micro-batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) forward: f64,
    pub(super) backward: f64,
    /// To the next place, and back to the one before.
    pub(super) boundary: f64,
    pub(super) gradient: f64,
    /// Of all micro-batches.
    pub(super) busy: f64,
    pub(super) all_backward: f64,
}

/// The least seconds of a step under a partition, any schedule.
///
/// A stage starts when a micro-batch has come through all places before its first one, and when it
/// is done, one has to go back through them: between the two it is busy with all its own work. And
/// before its first Backward a micro-batch has run forward everywhere and back to its last place;
/// all its Backwards follow.
pub(super) fn of_partition(places: &[Place], num_stages: usize) -> f64 {
    let forward: f64 = places.iter().map(|it| it.forward + it.boundary).sum();
    let mut bound = 0f64;
    let (mut there, mut back) = (0.0, 0.0);
    for stage in 0..num_stages {
        let own = places.iter().skip(stage).step_by(num_stages);
        let busy: f64 = own.clone().map(|it| it.busy).sum();
        let all_backward: f64 = own.map(|it| it.all_backward).sum();
        let last = places.len() - num_stages + stage;
        let after = places[last + 1..].iter();
        let after: f64 = after.map(|it| it.backward + it.gradient).sum();
        back += places[stage].gradient;
        bound = bound.max(there + busy + back);
        bound = bound.max(forward + after + all_backward + back);
        there += places[stage].forward + places[stage].boundary;
        back += places[stage].backward;
    }
    bound
}
