//! What a search finds, and what it keeps of it.

use super::{StageMemory, candidate::Candidate};
use crate::{Costs, Partition};

/// A candidate with its cuts and devices, simulated.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) candidate: Candidate,
    pub(super) partition: Partition,
    pub(super) devices: Vec<usize>,
    pub(super) costs: Costs,
    pub(super) seconds: f64,
    pub(super) memory: Vec<StageMemory>,
}

impl Found {
    pub(super) fn fits(&self) -> bool {
        self.memory.iter().all(StageMemory::fits)
    }

    /// How full the fullest device is.
    pub(super) fn share(&self) -> f64 {
        self.memory
            .iter()
            .map(StageMemory::share)
            .fold(0.0, f64::max)
    }

    /// What is better is less: time first, as far as it differs by more than rounding, then memory.
    fn key(&self) -> (f64, u64) {
        let bytes = self.memory.iter().map(StageMemory::bytes);
        (rounded(self.seconds), bytes.max().unwrap_or(0))
    }

    pub(super) fn is_better_than(&self, other: &Self) -> bool {
        self.key() < other.key()
    }
}

/// To nine digits: equal schedules differ by the order of their sums only.
pub(super) fn rounded(seconds: f64) -> f64 {
    let digits = 10f64.powi(8 - seconds.max(f64::MIN_POSITIVE).log10().floor() as i32);
    match digits.is_finite() {
        true => (seconds * digits).round() / digits,
        false => seconds,
    }
}

/// What a search came to.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) best: Option<Found>,
    pub(super) second: Option<Found>,
    /// The fastest of those that do not fit, where it is faster than the best.
    pub(super) without_limits: Option<Found>,
    /// The best of each kind of schedule with several chunks per stage.
    pub(super) chunked: Vec<Found>,
    pub(super) num_candidates: usize,
    pub(super) num_pruned: usize,
    pub(super) num_simulated: usize,
    pub(super) num_too_large: usize,
}

/// Above it, a candidate is neither best nor second.
pub(super) fn threshold(outcome: &Outcome) -> f64 {
    let second = outcome.second.as_ref();
    second.map_or(f64::INFINITY, |it| rounded(it.seconds))
}

impl Outcome {
    /// Takes in one candidate, with all cuts that were tried.
    pub(super) fn take(&mut self, found: Vec<Found>) {
        let mut best: Option<Found> = None;
        for it in found {
            keep(&mut best, it, Found::is_better_than);
        }
        let Some(mut fitting) = best else {
            return;
        };
        if fitting.candidate.kind.num_chunks() > 1 {
            self.take_chunked(fitting.clone());
        }
        if let Some(best) = &mut self.best
            && fitting.is_better_than(best)
        {
            std::mem::swap(best, &mut fitting);
        }
        match self.best {
            None => self.best = Some(fitting),
            Some(_) => keep(&mut self.second, fitting, Found::is_better_than),
        }
    }

    fn take_chunked(&mut self, found: Found) {
        let kind = std::mem::discriminant(&found.candidate.kind);
        let same = |it: &&mut Found| std::mem::discriminant(&it.candidate.kind) == kind;
        match self.chunked.iter_mut().find(same) {
            None => self.chunked.push(found),
            Some(known) if found.is_better_than(known) => *known = found,
            Some(_) => {}
        }
    }
}

pub(super) fn keep(
    kept: &mut Option<Found>,
    found: Found,
    is_better: impl Fn(&Found, &Found) -> bool,
) {
    if kept.as_ref().is_none_or(|it| is_better(&found, it)) {
        *kept = Some(found);
    }
}
