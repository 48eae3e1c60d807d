//! A candidate with the cuts that suit it, simulated.

use std::ops::Range;

use super::{
    PlanError, StageMemory,
    bound::{self, Place},
    candidate::{Candidate, micro_batches},
    found::{Found, rounded},
    peak::{ChunkBytes, peak_bytes},
    search::{Cuts, Search},
    shape::Shape,
    sizes::Sizes,
};
use crate::{Rematerialization, ScheduleKind, Sending, simulate};

/// What a candidate came to.
pub(super) struct Evaluated {
    /// Simulated with each of the cuts that fit.
    pub(super) found: Vec<Found>,
    /// Whether a bound ruled some cuts out.
    pub(super) is_pruned: bool,
    /// Whether the fastest cuts do not fit.
    pub(super) is_short: bool,
}

/// The best cuts without memory limits, or none where some stage takes longer than was asked for.
#[derive(Clone)]
pub(super) struct Known {
    cuts: Option<Cuts>,
    most: f64,
}

/// A candidate, and what follows from its numbers alone.
struct Case<'c> {
    candidate: &'c Candidate,
    sizes: Vec<usize>,
    shape: Shape,
    /// The most seconds that a step may take.
    most: f64,
}

impl Case<'_> {
    /// The most that a stage may take per micro-batch, with room for rounding.
    fn most_of_stage(&self) -> f64 {
        1.000_001 * self.most / self.sizes.len() as f64
    }
}

impl Search<'_> {
    fn case<'c>(&self, candidate: &'c Candidate, most: f64) -> Result<Case<'c>, PlanError> {
        let sizes = micro_batches(self.batch_size, candidate.num_micro_batches);
        Ok(Case {
            shape: Shape::of(candidate, &sizes)?,
            candidate,
            sizes,
            most,
        })
    }

    /// The candidate with each of the cuts that are tried and fit, simulated, unless a bound says
    /// that it takes longer than `most` seconds.
    ///
    /// The cuts are those of the least bottleneck whatever the memory; where they do not fit, those
    /// under the memory limits; and for several chunks per stage, where those do not either, the
    /// ones that come closest. Links that take time are counted in two ways, as travelling while
    /// stages compute and as waited for.
    pub(super) fn evaluate(
        &mut self,
        candidate: &Candidate,
        most: f64,
    ) -> Result<Evaluated, PlanError> {
        let case = self.case(candidate, most)?;
        let mut evaluated = Evaluated {
            found: Vec::new(),
            is_pruned: false,
            is_short: true,
        };
        if self.prunes && self.least_share(candidate, &case.shape) > 1.0 {
            return Ok(evaluated);
        }
        let unlimited = self.unlimited(&case)?;
        // With no stage as fast as asked for, none is under memory limits.
        evaluated.is_pruned = unlimited.is_empty();
        for cuts in unlimited {
            evaluated.is_short &= !self.take(&case, cuts, &mut evaluated)?;
        }
        if !evaluated.is_short || evaluated.is_pruned {
            return Ok(evaluated);
        }
        let mut fits = false;
        for sending in self.sendings() {
            match self.solve(&case, sending, true)? {
                Some(cuts) => fits |= self.take(&case, cuts, &mut evaluated)?,
                None => break,
            }
        }
        if fits {
            return Ok(evaluated);
        }
        if candidate.kind.num_chunks() > 1 {
            let cuts = self.cuts_of_least_memory(&case, f64::INFINITY)?;
            let cuts = cuts.expect("without a bound, something is closest");
            self.take(&case, cuts, &mut evaluated)?;
        } else if most.is_finite() {
            // No stage was as fast as asked for, or none fits: only the first is due to the bound.
            evaluated.is_pruned |= self.cuts_of_least_memory(&case, 1.0)?.is_some();
        }
        Ok(evaluated)
    }

    /// Takes in the candidate with some cuts, and says whether they fit.
    fn take(&self, case: &Case, cuts: Cuts, evaluated: &mut Evaluated) -> Result<bool, PlanError> {
        let memory = self.memory(case, &cuts);
        let fits = memory.iter().all(StageMemory::fits);
        if fits {
            match self.may_be_below(case, &cuts) {
                true => evaluated.found.push(self.simulate(case, cuts, memory)?),
                false => evaluated.is_pruned = true,
            }
        }
        Ok(fits)
    }

    fn may_be_below(&self, case: &Case, cuts: &Cuts) -> bool {
        let places = self.places(cuts, &case.shape, &case.sizes);
        rounded(bound::of_partition(&places, case.candidate.num_stages)) <= case.most
    }

    /// The candidate with the cuts of the least bottleneck whatever the memory, unless bounds say
    /// that a step takes longer than `most` seconds.
    pub(super) fn without_limits(
        &mut self,
        candidate: &Candidate,
        most: f64,
    ) -> Result<Vec<Found>, PlanError> {
        let case = self.case(candidate, most)?;
        let mut found = Vec::new();
        for cuts in self.unlimited(&case)? {
            if self.may_be_below(&case, &cuts) {
                let memory = self.memory(&case, &cuts);
                found.push(self.simulate(&case, cuts, memory)?);
            }
        }
        Ok(found)
    }

    /// The candidate with the cuts that come closest to the memory limits, unless no stage can be as
    /// far below its limit as this share.
    pub(super) fn least_memory(
        &mut self,
        candidate: &Candidate,
        most_share: f64,
    ) -> Result<Option<Found>, PlanError> {
        let case = self.case(candidate, f64::INFINITY)?;
        // What several chunks need is met at different times: their sum is no bound.
        let most_share = match candidate.kind.num_chunks() {
            1 => most_share,
            _ => f64::INFINITY,
        };
        let Some(cuts) = self.cuts_of_least_memory(&case, most_share)? else {
            return Ok(None);
        };
        let memory = self.memory(&case, &cuts);
        Ok(Some(self.simulate(&case, cuts, memory)?))
    }

    /// Other cuts of a candidate, simulated if they fit and may be faster.
    pub(super) fn with_cuts(&self, found: &Found, cuts: Cuts) -> Result<Option<Found>, PlanError> {
        let case = self.case(&found.candidate, found.seconds)?;
        let memory = self.memory(&case, &cuts);
        let fits = memory.iter().all(StageMemory::fits);
        match fits && self.may_be_below(&case, &cuts) {
            true => Ok(Some(self.simulate(&case, cuts, memory)?)),
            false => Ok(None),
        }
    }

    fn cuts_of_least_memory(
        &mut self,
        case: &Case,
        most_share: f64,
    ) -> Result<Option<Cuts>, PlanError> {
        let Case {
            candidate,
            sizes,
            shape,
            ..
        } = case;
        let order = self.order(candidate)?;
        let (sending, order) = (Sending::Overlapped, order.as_deref());
        let (problem, named) = self.problem(candidate, shape, sizes, order, sending, true);
        let best = problem.solve_for_memory_below(most_share)?;
        Ok(best.map(|it| named.cuts(it, candidate.num_stages)))
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

    /// The cuts with the least bottleneck whatever the memory; none if some stage takes too long.
    fn unlimited(&mut self, case: &Case) -> Result<Vec<Cuts>, PlanError> {
        let num_recomputed = |it: &Vec<bool>| it.iter().filter(|it| **it).count();
        let recomputed = case.shape.recomputed.iter().map(num_recomputed);
        let recomputed: Vec<usize> = recomputed.collect();
        let (num_stages, num_micro_batches) = (case.candidate.num_stages, case.sizes.len());
        let most = case.most_of_stage();
        let mut all: Vec<Cuts> = Vec::new();
        for sending in self.sendings() {
            let is_waited = sending == Sending::Waited;
            let key = (num_stages, num_micro_batches, recomputed.clone(), is_waited);
            let known = self.partitions.get(&key);
            let known = known.filter(|it| it.cuts.is_some() || most <= it.most);
            let cuts = match known {
                Some(known) => known.cuts.clone(),
                None => {
                    let cuts = self.solve(case, sending, false)?;
                    let known = Known {
                        cuts: cuts.clone(),
                        most,
                    };
                    self.partitions.insert(key, known);
                    cuts
                }
            };
            all.extend(cuts.filter(|it| !all.contains(it)));
        }
        Ok(all)
    }

    fn solve(
        &mut self,
        case: &Case,
        sending: Sending,
        limited: bool,
    ) -> Result<Option<Cuts>, PlanError> {
        let Case {
            candidate,
            sizes,
            shape,
            ..
        } = case;
        let order = self.order(candidate)?;
        let order = order.as_deref();
        let (problem, named) = self.problem(candidate, shape, sizes, order, sending, limited);
        let best = problem.solve_below(case.most_of_stage())?;
        Ok(best.map(|it| named.cuts(it, candidate.num_stages)))
    }

    /// The devices of the stages, unless any order is to be tried. Where places go round the
    /// devices, the order is the one that is best for as many stages of one chunk.
    fn order(&mut self, candidate: &Candidate) -> Result<Option<Vec<usize>>, PlanError> {
        if !self.free_order {
            return Ok(Some((0..candidate.num_stages).collect()));
        }
        if candidate.kind.num_chunks() == 1 {
            return Ok(None);
        }
        let plain = Candidate {
            kind: ScheduleKind::GPipe,
            rematerialization: Rematerialization::Never,
            ..candidate.clone()
        };
        let case = self.case(&plain, f64::INFINITY)?;
        let mut cuts = self.unlimited(&case)?;
        Ok(Some(cuts.swap_remove(0).1))
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

    /// What each stage needs on its device.
    fn memory(&self, case: &Case, (partition, devices): &Cuts) -> Vec<StageMemory> {
        let sizes = Sizes::of(self.tables, &case.sizes);
        let memory = devices.iter().enumerate().map(|(stage, &device)| {
            let places = (stage..partition.num_stages()).step_by(devices.len());
            let ranges: Vec<Range<usize>> = places.map(|it| partition.stage(it)).collect();
            let chunks = ranges.iter().map(|layers| {
                let sizes = [&sizes.small, &sizes.large];
                ChunkBytes {
                    boundary: sizes.map(|it| it.boundary_bytes[layers.start]),
                    activation: sizes
                        .map(|it| self.tables.activation_bytes(it, device, layers.clone())),
                    gradient: self.tables.trained_bytes(std::slice::from_ref(layers)),
                }
            });
            let chunks: Vec<ChunkBytes> = chunks.collect();
            let working = ranges.iter().cloned();
            let working = working.map(|it| self.tables.working_bytes(&sizes.large, device, it));
            StageMemory {
                parameter_bytes: self.tables.parameter_bytes(&ranges),
                kept_bytes: peak_bytes(&case.shape, stage, &sizes.is_large, &chunks),
                working_bytes: working.max().unwrap_or(0),
                limit_bytes: self.tables.costs.cluster().device(device).memory_bytes,
            }
        });
        memory.collect()
    }

    fn simulate(
        &self,
        case: &Case,
        (partition, devices): Cuts,
        memory: Vec<StageMemory>,
    ) -> Result<Found, PlanError> {
        let schedule = &case.shape.schedule;
        let costs = self.tables.costs;
        let costs = costs.costs(&partition, &devices, schedule, &case.sizes)?;
        Ok(Found {
            seconds: simulate(schedule, &costs)?.timeline.makespan(),
            candidate: case.candidate.clone(),
            memory,
            partition,
            devices,
            costs,
        })
    }
}
