use std::collections::HashMap;

use super::{
    PlanError,
    bound::{self},
    candidate::{Candidate, micro_batches},
    evaluate::{Evaluated, Known},
    found::{Found, Outcome, keep, rounded, threshold},
    shape::Shape,
    tables::Tables,
};
use crate::Partition;

/// The search over candidates for one mini-batch.
pub(super) struct Search<'a> {
    pub(super) tables: &'a Tables<'a>,
    pub(super) batch_size: usize,
    /// Whether stages may be on the devices in any order.
    pub(super) free_order: bool,
    /// Whether to leave out what cannot win.
    pub(super) prunes: bool,
    /// Whether to look for better cuts than those with the least bottleneck.
    pub(super) refines: bool,
    pub(super) partitions: HashMap<Key, Known>,
}

/// How many candidates with several chunks per stage are looked at where nothing fits.
const NUM_CLOSE: usize = 50;

/// What the best cuts without memory limits depend on: numbers of stages, of micro-batches and of
/// recomputed ones at each place, and whether links are waited for.
pub(super) type Key = (usize, usize, Vec<usize>, bool);
pub(super) type Cuts = (Partition, Vec<usize>);

/// What comes closest to fitting, where nothing fits.
pub(super) struct Closest {
    pub(super) found: Found,
    /// How many candidates were not looked at and might come closer.
    pub(super) num_left_out: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(tables: &'a Tables<'a>, batch_size: usize, free_order: bool) -> Self {
        Self {
            tables,
            batch_size,
            free_order,
            prunes: true,
            refines: true,
            partitions: HashMap::new(),
        }
    }

    /// The best of the candidates, and what else is worth telling.
    ///
    /// Those that could be fastest come first, by what bounds say. One is left out when its bound is
    /// above the second best so far: so the two best are those of all candidates.
    pub(super) fn run(&mut self, candidates: &[Candidate]) -> Result<Outcome, PlanError> {
        let mut outcome = Outcome {
            num_candidates: candidates.len(),
            ..Outcome::default()
        };
        let mut unfit: Vec<(f64, &Candidate)> = Vec::new();
        for (bound, candidate) in self.bounded(candidates) {
            if self.loses(bound, &outcome) {
                outcome.num_pruned += 1;
                continue;
            }
            let most = match self.prunes {
                true => threshold(&outcome),
                false => f64::INFINITY,
            };
            let Evaluated {
                found,
                is_pruned,
                is_short,
            } = self.evaluate(candidate, most)?;
            if is_short {
                unfit.push((bound, candidate));
            }
            match (found.is_empty(), is_pruned) {
                (false, _) => outcome.num_simulated += 1,
                (true, true) => outcome.num_pruned += 1,
                (true, false) => outcome.num_too_large += 1,
            }
            outcome.take(found);
        }
        if self.refines {
            self.refine(&mut outcome)?;
        }
        if let Some(best) = &outcome.best {
            let most = best.seconds;
            outcome.without_limits = self.fastest_unfit(&unfit, most)?;
        }
        Ok(outcome)
    }

    fn bounded<'c>(&self, candidates: &'c [Candidate]) -> Vec<(f64, &'c Candidate)> {
        let bound = |it: &'c Candidate| {
            let sizes = micro_batches(self.batch_size, it.num_micro_batches);
            (bound::of_candidate(self.tables, it, &sizes), it)
        };
        let mut bounded: Vec<_> = candidates.iter().map(bound).collect();
        bounded.sort_by(|a, b| a.0.total_cmp(&b.0));
        bounded
    }

    fn loses(&self, bound: f64, outcome: &Outcome) -> bool {
        self.prunes && rounded(bound) > threshold(outcome)
    }

    /// The fastest of the candidates that do not fit, by their bounds, in less than `most` seconds.
    fn fastest_unfit(
        &mut self,
        unfit: &[(f64, &Candidate)],
        most: f64,
    ) -> Result<Option<Found>, PlanError> {
        let mut fastest: Option<Found> = None;
        for &(bound, candidate) in unfit {
            let most = fastest.as_ref().map_or(most, |it| it.seconds);
            if rounded(bound) > rounded(most) {
                break;
            }
            for found in self.without_limits(candidate, most)? {
                keep(&mut fastest, found, Found::is_better_than);
            }
        }
        Ok(fastest)
    }

    /// Where nothing fits, what comes closest: the least of the candidates with one chunk per stage,
    /// and of those with several that could come closest.
    pub(super) fn closest(&mut self, candidates: &[Candidate]) -> Result<Closest, PlanError> {
        let shares = candidates.iter().map(|it| {
            let sizes = micro_batches(self.batch_size, it.num_micro_batches);
            Ok((self.least_share(it, &Shape::of(it, &sizes)?), it))
        });
        let mut shares: Vec<(f64, &Candidate)> = shares.collect::<Result<_, PlanError>>()?;
        shares.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut closest: Option<Found> = None;
        let (mut num_chunked, mut left_out) = (0, Vec::new());
        for (least, candidate) in shares {
            let most = closest.as_ref().map_or(f64::INFINITY, Found::share);
            if least >= most {
                break;
            }
            if candidate.kind.num_chunks() > 1 {
                if num_chunked == NUM_CLOSE {
                    left_out.push(least);
                    continue;
                }
                num_chunked += 1;
            }
            if let Some(found) = self.least_memory(candidate, most)? {
                keep(&mut closest, found, |a, b| a.share() < b.share());
            }
        }
        let found = closest.expect("without a bound, the first candidate comes closest");
        let num_left_out = left_out.iter().filter(|it| **it < found.share()).count();
        Ok(Closest {
            found,
            num_left_out,
        })
    }
}
