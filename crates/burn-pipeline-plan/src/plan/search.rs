use std::{collections::HashMap, ops::Range};

use super::{
    PlanError, StageMemory,
    bound::{self, Place, extremes},
    candidate::{Candidate, micro_batches},
    found::{Found, Outcome, rounded, threshold},
    shape::Shape,
    sizes::Sizes,
    tables::Tables,
};
use crate::{Partition, Sending, Simulation, UnsolvableError, simulate};

/// The search over candidates for one mini-batch.
pub(super) struct Search<'a> {
    pub(super) tables: &'a Tables<'a>,
    pub(super) batch_size: usize,
    /// Whether stages may be on the devices in any order.
    pub(super) free_order: bool,
    /// Whether to leave out what cannot win.
    pub(super) prunes: bool,
    orders: HashMap<(usize, usize), Vec<usize>>,
    partitions: HashMap<Key, Vec<Cuts>>,
}

/// How many candidates are looked at again where nothing fits.
const NUM_CLOSE: usize = 50;

/// What the best cuts without memory limits depend on.
type Key = (usize, usize, Vec<usize>);
pub(super) type Cuts = (Partition, Vec<usize>);

impl<'a> Search<'a> {
    pub(super) fn new(tables: &'a Tables<'a>, batch_size: usize, free_order: bool) -> Self {
        Self {
            tables,
            batch_size,
            free_order,
            prunes: true,
            orders: HashMap::new(),
            partitions: HashMap::new(),
        }
    }

    /// The best of the candidates, and what else is worth telling.
    ///
    /// Those that could be fastest come first, by what bounds say. One is left out when its bound is
    /// above the second best so far: so the two best are those of all candidates.
    pub(super) fn run(&mut self, candidates: Vec<Candidate>) -> Result<Outcome, PlanError> {
        let mut outcome = Outcome {
            num_candidates: candidates.len(),
            ..Outcome::default()
        };
        let bound = |it: Candidate| {
            let sizes = micro_batches(self.batch_size, it.num_micro_batches);
            (bound::of_candidate(self.tables, &it, &sizes), it)
        };
        let mut bounded: Vec<(f64, Candidate)> = candidates.into_iter().map(bound).collect();
        bounded.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut too_large: Vec<(f64, Candidate)> = Vec::new();
        for (bound, candidate) in bounded {
            if self.loses(bound, &outcome) {
                outcome.num_pruned += 1;
                continue;
            }
            let most = match self.prunes {
                true => threshold(&outcome),
                false => f64::INFINITY,
            };
            let found = self.evaluate(&candidate, most)?;
            if found.is_empty() {
                outcome.num_pruned += 1;
                continue;
            }
            outcome.num_simulated += 1;
            outcome.num_too_large += usize::from(found.iter().all(|it| !it.fits()));
            let shares = found.iter().map(Found::share);
            too_large.push((shares.fold(f64::INFINITY, f64::min), candidate));
            outcome.take(found);
        }
        if outcome.best.is_none() {
            self.come_close(&mut outcome, too_large)?;
        }
        Ok(outcome)
    }

    /// Where nothing fits, what comes closest: of the candidates that need least with the fastest
    /// cuts, those with the cuts that need least.
    fn come_close(
        &mut self,
        outcome: &mut Outcome,
        mut too_large: Vec<(f64, Candidate)>,
    ) -> Result<(), PlanError> {
        too_large.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, candidate) in too_large.into_iter().take(NUM_CLOSE) {
            outcome.take(vec![self.least_memory(&candidate)?]);
        }
        Ok(())
    }

    fn loses(&self, bound: f64, outcome: &Outcome) -> bool {
        self.prunes && rounded(bound) > threshold(outcome)
    }

    /// The candidate with each of the cuts that are tried, simulated, unless a bound says that it
    /// takes longer than `most` seconds.
    ///
    /// The cuts are those of the least bottleneck whatever the memory; where they do not fit, those
    /// under the memory limits; and for several chunks per stage, where those do not either, the ones
    /// that come closest. Links that take time are counted in two ways, as travelling while stages compute and as waited for.
    pub(super) fn evaluate(
        &mut self,
        candidate: &Candidate,
        most: f64,
    ) -> Result<Vec<Found>, PlanError> {
        let sizes = micro_batches(self.batch_size, candidate.num_micro_batches);
        let shape = Shape::of(candidate, &sizes)?;
        let mut found: Vec<Found> = Vec::new();
        let unlimited = self.unlimited(candidate, &shape, &sizes)?;
        for cuts in &unlimited {
            let places = self.places(cuts, &shape, &sizes);
            if rounded(bound::of_partition(&places, candidate.num_stages)) <= most {
                found.push(self.simulate(candidate, &shape, &sizes, cuts.clone())?);
            }
        }
        let done = found.is_empty() || found.iter().any(Found::fits);
        if done || !self.may_fit_with(candidate, least_kept(&shape)) {
            return Ok(found);
        }
        let order = unlimited.first().map(|it| it.1.clone());
        let order = order.filter(|_| candidate.kind.num_chunks() > 1 || !self.free_order);
        for sending in self.sendings() {
            let limited = self.solve(candidate, &shape, &sizes, order.as_deref(), sending, true);
            let cuts = match limited {
                Err(PlanError::Partition(UnsolvableError::Memory { .. })) => break,
                other => other?,
            };
            let places = self.places(&cuts, &shape, &sizes);
            if rounded(bound::of_partition(&places, candidate.num_stages)) <= most {
                found.push(self.simulate(candidate, &shape, &sizes, cuts)?);
            }
        }
        if candidate.kind.num_chunks() > 1 && !found.iter().any(Found::fits) {
            found.push(self.least_memory(candidate)?);
        }
        Ok(found)
    }

    /// The candidate with the cuts that come closest to the memory limits.
    pub(super) fn least_memory(&mut self, candidate: &Candidate) -> Result<Found, PlanError> {
        let sizes = micro_batches(self.batch_size, candidate.num_micro_batches);
        let shape = Shape::of(candidate, &sizes)?;
        let order = match self.free_order && candidate.kind.num_chunks() == 1 {
            true => None,
            false => Some(self.order(candidate, &shape, &sizes)?),
        };
        let problem = self.problem(
            candidate,
            &shape,
            &sizes,
            order.as_deref(),
            Sending::Overlapped,
            true,
        );
        let best = problem.0.solve_for_memory()?;
        let cuts = (
            best.partition,
            problem.1.of(&best.devices, candidate.num_stages),
        );
        self.simulate(candidate, &shape, &sizes, cuts)
    }

    /// Whether a candidate could fit: all parameters and one micro-batch on every stage do, if
    /// devices could be filled to the brim.
    pub(super) fn may_fit(&self, candidate: &Candidate) -> bool {
        self.may_fit_with(candidate, 1)
    }

    /// Whether a candidate could fit that keeps the activations of at least so many micro-batches
    /// everywhere. Chunks of a stage may do so at different times.
    fn may_fit_with(&self, candidate: &Candidate, num_kept: u64) -> bool {
        let cluster = self.tables.costs.cluster();
        let limits = (0..cluster.num_devices()).map(|it| cluster.device(it).memory_bytes);
        let Some(mut limits) = limits.collect::<Option<Vec<u64>>>() else {
            return true;
        };
        limits.sort_unstable_by(|a, b| b.cmp(a));
        let limits = limits.iter().take(candidate.num_stages);
        let limit = limits.fold(0u64, |sum, it| sum.saturating_add(*it));
        let sizes = micro_batches(self.batch_size, candidate.num_micro_batches);
        let size = self.tables.size(extremes(&sizes).0);
        let layers = 0..self.tables.num_layers();
        let kinds = self.tables.kinds();
        let kept = kinds.map(|it| self.tables.activation_bytes(&size, it, layers.clone()));
        let parameters = self.tables.parameter_bytes(std::slice::from_ref(&layers));
        let kept = kept.min().unwrap_or(0).saturating_mul(num_kept);
        parameters.saturating_add(kept / candidate.kind.num_chunks() as u64) <= limit
    }

    fn sendings(&self) -> Vec<Sending> {
        let cluster = self.tables.costs.cluster();
        let free = |device: usize| {
            let mut others = 0..cluster.num_devices();
            others.all(|it| cluster.link(device, it).seconds(1) < 1e-12)
        };
        match (0..cluster.num_devices()).all(free) {
            true => vec![Sending::Overlapped],
            false => vec![Sending::Overlapped, Sending::Waited],
        }
    }

    /// The cuts with the least bottleneck whatever the memory.
    fn unlimited(
        &mut self,
        candidate: &Candidate,
        shape: &Shape,
        sizes: &[usize],
    ) -> Result<Vec<Cuts>, PlanError> {
        let num_recomputed = |it: &Vec<bool>| it.iter().filter(|it| **it).count();
        let recomputed = shape.recomputed.iter().map(num_recomputed);
        let key = (candidate.num_stages, sizes.len(), recomputed.collect());
        if let Some(known) = self.partitions.get(&key) {
            return Ok(known.clone());
        }
        let order = match candidate.kind.num_chunks() {
            1 if self.free_order => None,
            _ => Some(self.order(candidate, shape, sizes)?),
        };
        let mut all: Vec<Cuts> = Vec::new();
        for sending in self.sendings() {
            let cuts = self.solve(candidate, shape, sizes, order.as_deref(), sending, false)?;
            if !all.contains(&cuts) {
                all.push(cuts);
            }
        }
        self.partitions.insert(key, all.clone());
        Ok(all)
    }

    /// The devices of the stages where places go round them: those that are best for as many stages
    /// of one chunk.
    fn order(
        &mut self,
        candidate: &Candidate,
        shape: &Shape,
        sizes: &[usize],
    ) -> Result<Vec<usize>, PlanError> {
        if !self.free_order {
            return Ok((0..candidate.num_stages).collect());
        }
        let key = (candidate.num_stages, sizes.len());
        if let Some(known) = self.orders.get(&key) {
            return Ok(known.clone());
        }
        let plain = Candidate {
            kind: crate::ScheduleKind::GPipe,
            ..candidate.clone()
        };
        let cuts = self.solve(&plain, shape, sizes, None, Sending::Overlapped, false)?;
        self.orders.insert(key, cuts.1.clone());
        Ok(cuts.1)
    }

    fn places(&self, (partition, devices): &Cuts, shape: &Shape, sizes: &[usize]) -> Vec<Place> {
        let cluster = self.tables.costs.cluster();
        let micro_batches = Sizes::of(self.tables, sizes);
        let on = |place: usize| devices[place % devices.len()];
        let num_places = partition.num_stages();
        let places = (0..num_places).map(|place| {
            let (layers, device) = (partition.stage(place), on(place));
            let small = &micro_batches.small;
            let times = self.tables.times(small, device, layers.clone());
            let counts = micro_batches.counts(&shape.recomputed[place]);
            let (busy, all_backward) =
                micro_batches.busy(self.tables, &counts, device, layers.clone());
            let to = |other: usize, layer: usize| {
                let bytes = small.boundary_bytes[layer];
                cluster.link(device, on(other)).seconds(bytes)
            };
            Place {
                forward: times.forward.min(times.recorded),
                backward: times.backward,
                boundary: if place + 1 < num_places {
                    to(place + 1, layers.end)
                } else {
                    0.0
                },
                gradient: if place > 0 {
                    to(place - 1, layers.start)
                } else {
                    0.0
                },
                busy,
                all_backward,
            }
        });
        places.collect()
    }

    fn simulate(
        &self,
        candidate: &Candidate,
        shape: &Shape,
        sizes: &[usize],
        (partition, devices): Cuts,
    ) -> Result<Found, PlanError> {
        let costs = self.tables.costs;
        let costs = costs.costs(&partition, &devices, &shape.schedule, sizes)?;
        let Simulation {
            timeline,
            peak_bytes,
        } = simulate(&shape.schedule, &costs)?;
        let large = self.tables.size(extremes(sizes).1);
        let memory = devices.iter().enumerate().map(|(stage, &device)| {
            let places = (stage..partition.num_stages()).step_by(devices.len());
            let ranges: Vec<Range<usize>> = places.map(|it| partition.stage(it)).collect();
            let working = ranges.iter().cloned();
            let working = working.map(|it| self.tables.working_bytes(&large, device, it));
            StageMemory {
                parameter_bytes: self.tables.parameter_bytes(&ranges),
                kept_bytes: peak_bytes[stage],
                working_bytes: working.max().unwrap_or(0),
                limit_bytes: self.tables.costs.cluster().device(device).memory_bytes,
            }
        });
        Ok(Found {
            memory: memory.collect(),
            seconds: timeline.makespan(),
            candidate: candidate.clone(),
            partition,
            devices,
            costs,
        })
    }
}

/// The number of micro-batches whose activations every place keeps at its peak.
fn least_kept(shape: &Shape) -> u64 {
    let places = shape.kept.iter().map(|moments| {
        let kept = moments.iter().map(|it| it[0].1 + it[1].1);
        kept.max().unwrap_or(0)
    });
    places.min().unwrap_or(0)
}
