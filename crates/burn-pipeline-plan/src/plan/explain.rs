//! What limits a plan and what would help: each number is of a plan that was worked out.

use super::{
    Alternative, Explanation, Finding, MoreMicroBatches, PlanError, Planner,
    candidate::Candidate,
    found::{Found, Outcome},
    planner::fullest,
    search::Search,
    tables::Tables,
};
use crate::{Costs, Profile, Timeline, simulate};

/// Below this share of a step, a loss is not worth a line.
const LEAST_SHARE: f64 = 0.01;

pub(super) fn explain(
    planner: &Planner,
    search: &mut Search,
    outcome: &Outcome,
    best: &Found,
) -> Result<Explanation, PlanError> {
    let mut findings = vec![
        bubble(search, best)?,
        slow_stage(planner, search, best)?,
        link(best)?,
    ];
    findings.extend(memory(outcome, best));
    findings.retain(|it| it.share() >= LEAST_SHARE);
    findings.sort_by(|a, b| b.share().total_cmp(&a.share()));
    Ok(Explanation {
        num_candidates: outcome.num_candidates,
        num_pruned: outcome.num_pruned,
        num_simulated: outcome.num_simulated,
        num_too_large: outcome.num_too_large,
        second: outcome.second.as_ref().map(Alternative::of),
        findings,
    })
}

/// A plan whose links are that much slower: 0 for links that take no time.
fn timeline(found: &Found, link_factor: f64) -> Result<Timeline, PlanError> {
    let places = found.partition.num_stages();
    let places = (0..places).map(|place| {
        let costs = (0..found.candidate.num_micro_batches).map(|micro_batch| {
            let mut cost = *found.costs.get(place, micro_batch);
            cost.boundary *= link_factor;
            cost.gradient *= link_factor;
            cost
        });
        costs.collect()
    });
    let costs = Costs::new(places.collect());
    Ok(simulate(&found.candidate.schedule()?, &costs)?.timeline)
}

/// The share of a step that even the busiest stage waits, links aside.
fn bubble_share(found: &Found) -> Result<f64, PlanError> {
    let timeline = timeline(found, 0.0)?;
    let stages = 0..timeline.num_stages();
    let busiest = stages.map(|it| timeline.busy(it)).fold(0.0, f64::max);
    Ok(share(timeline.makespan() - busiest, found.seconds))
}

/// No time at all is no share.
fn share(seconds: f64, of: f64) -> f64 {
    match of > 0.0 {
        true => (seconds / of).max(0.0),
        false => 0.0,
    }
}

fn bubble(search: &mut Search, best: &Found) -> Result<Finding, PlanError> {
    let num_micro_batches = 2 * best.candidate.num_micro_batches;
    let twice = match num_micro_batches <= search.batch_size {
        false => MoreMicroBatches::TooFewSamples {
            num_micro_batches,
            batch_size: search.batch_size,
        },
        true => {
            let candidate = Candidate {
                num_micro_batches,
                ..best.candidate.clone()
            };
            twice(search, &candidate)?
        }
    };
    Ok(Finding::Bubble {
        share: bubble_share(best)?,
        twice,
    })
}

fn twice(search: &mut Search, candidate: &Candidate) -> Result<MoreMicroBatches, PlanError> {
    let found = search.evaluate(candidate, f64::INFINITY)?.found;
    let num_micro_batches = candidate.num_micro_batches;
    let fastest = found.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds));
    if let Some(found) = fastest {
        return Ok(MoreMicroBatches::Fits {
            num_micro_batches,
            share: bubble_share(found)?,
            seconds: found.seconds,
        });
    }
    let closest = search.without_limits(candidate, f64::INFINITY)?;
    let closest = closest
        .iter()
        .min_by(|a, b| a.share().total_cmp(&b.share()));
    let closest = closest.expect("without a bound, something is simulated");
    let memory = &closest.memory[fullest(closest)];
    Ok(MoreMicroBatches::TooLarge {
        num_micro_batches,
        share: bubble_share(closest)?,
        need: memory.bytes(),
        limit: memory.limit_bytes.unwrap_or(u64::MAX),
    })
}

fn slow_stage(planner: &Planner, search: &mut Search, best: &Found) -> Result<Finding, PlanError> {
    let timeline = timeline(best, 1.0)?;
    let num_stages = best.devices.len();
    let busy: Vec<f64> = (0..num_stages).map(|it| timeline.busy(it)).collect();
    let mean = busy.iter().sum::<f64>() / num_stages as f64;
    let longest = busy.iter().copied().fold(0.0, f64::max);
    let stage = busy.iter().position(|it| *it == longest).unwrap_or(0);
    let (layer, seconds) = slowest_layer(search, best, stage);
    let num_micro_batches = best.candidate.num_micro_batches as f64;
    let is_slow = share(longest - mean, best.seconds) >= LEAST_SHARE;
    Ok(Finding::SlowStage {
        share: share(longest - mean, best.seconds),
        stage,
        times_mean: share(longest, mean),
        layer,
        name: search.tables.costs.profile().layers[layer].name.clone(),
        layer_times_mean: share(seconds * num_micro_batches, mean),
        split_seconds: match is_slow {
            true => Some(split(planner, search, best, layer)?).filter(|it| *it < best.seconds),
            false => None,
        },
    })
}

/// The layer of a stage that takes longest per micro-batch, and how long.
fn slowest_layer(search: &Search, best: &Found, stage: usize) -> (usize, f64) {
    let num_samples = search.batch_size.div_ceil(best.candidate.num_micro_batches);
    let size = search.tables.size(num_samples);
    let places = (stage..best.partition.num_stages()).step_by(best.devices.len());
    let layers = places.flat_map(|it| best.partition.stage(it));
    let seconds = layers.map(|layer| {
        let device = best.devices[stage];
        let times = search.tables.times(&size, device, layer..layer + 1);
        (layer, times.recorded + times.backward)
    });
    let slowest = seconds.max_by(|a, b| a.1.total_cmp(&b.1));
    slowest.expect("a stage has layers")
}

/// The time of a step with a layer written as two of half the cost.
fn split(planner: &Planner, search: &Search, best: &Found, layer: usize) -> Result<f64, PlanError> {
    let profile = halved(search.tables.costs.profile(), layer);
    let original = move |it: usize| if it > layer { it - 1 } else { it };
    let costs = planner.costs_of(&profile, original)?;
    let tables = Tables::new(&costs, 0.0, 0.0);
    let mut search = Search::new(&tables, search.batch_size, search.free_order);
    let mut found = search.evaluate(&best.candidate, f64::INFINITY)?.found;
    if found.is_empty() {
        found = search.without_limits(&best.candidate, f64::INFINITY)?;
    }
    let seconds = found.iter().map(|it| it.seconds);
    Ok(seconds.fold(f64::INFINITY, f64::min))
}

/// The model with a layer written as two of half the cost, memory aside.
fn halved(profile: &Profile, layer: usize) -> Profile {
    let mut halved = profile.clone();
    for it in &mut halved.layers[layer].measurements {
        it.forward /= 2.0;
        it.recorded_forward /= 2.0;
        it.backward /= 2.0;
    }
    let half = halved.layers[layer].clone();
    halved.layers.insert(layer, half);
    halved.shared_parameters.clear();
    halved
}

fn link(best: &Found) -> Result<Finding, PlanError> {
    let without = timeline(best, 0.0)?.makespan();
    let num_places = best.partition.num_stages();
    let seconds = (0..num_places).map(|it| best.costs.get(it, 0).boundary);
    let slowest = seconds.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    let (from_place, seconds) = slowest.expect("a plan has stages");
    Ok(Finding::Link {
        share: share(best.seconds - without, best.seconds),
        from_place,
        seconds,
        twice_as_fast_seconds: timeline(best, 0.5)?.makespan(),
    })
}

fn memory(outcome: &Outcome, best: &Found) -> Option<Finding> {
    let faster = outcome.without_limits.as_ref()?;
    let stage = fullest(faster);
    Some(Finding::Memory {
        share: share(best.seconds - faster.seconds, best.seconds),
        faster: Alternative::of(faster),
        device: faster.devices[stage],
        need: faster.memory[stage].bytes(),
        limit: faster.memory[stage].limit_bytes?,
    })
}
