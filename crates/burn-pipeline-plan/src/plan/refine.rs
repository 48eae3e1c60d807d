use super::{
    PlanError,
    found::{Found, Outcome},
    search::{Cuts, Search},
};
use crate::Partition;

/// The most simulations for one plan.
const MOST_SIMULATIONS: usize = 200;

impl Search<'_> {
    /// Improves the best plan, and the best of each kind with several chunks per stage, whose cuts
    /// have the least bottleneck of any place and not of any device: single cuts are moved by one
    /// layer while the simulated step shrinks. It is a local search: what it finds is not proven
    /// optimal.
    pub(super) fn refine(&self, outcome: &mut Outcome) -> Result<(), PlanError> {
        let Some(best) = outcome.best.take() else {
            return Ok(());
        };
        let mut refined: Vec<Found> = Vec::new();
        refined.extend(outcome.second.take());
        let same = |it: &&Found| it.candidate != best.candidate;
        for found in outcome.chunked.iter().filter(same).chain([&best]) {
            refined.retain(|it| it.candidate != found.candidate);
            refined.push(self.descend(found.clone())?);
        }
        // Of equal ones, the best so far stays the best.
        refined.reverse();
        while let Some(index) = best_of(&refined) {
            let found = refined.remove(index);
            match outcome.best {
                None => outcome.best = Some(found),
                Some(_) => {
                    outcome.second = Some(found);
                    break;
                }
            }
        }
        Ok(())
    }

    fn descend(&self, mut found: Found) -> Result<Found, PlanError> {
        let mut num_left = MOST_SIMULATIONS;
        loop {
            let mut has_moved = false;
            for cut in 0..found.partition.num_stages() - 1 {
                for later in [false, true] {
                    let Some(cuts) = moved(&found, cut, later) else {
                        continue;
                    };
                    let Some(other) = self.with_cuts(&found, cuts)? else {
                        continue;
                    };
                    if other.is_better_than(&found) {
                        (found, has_moved) = (other, true);
                    }
                    num_left -= 1;
                    if num_left == 0 {
                        return Ok(found);
                    }
                }
            }
            if !has_moved {
                return Ok(found);
            }
        }
    }
}

fn best_of(found: &[Found]) -> Option<usize> {
    (0..found.len()).reduce(|best, it| match found[it].is_better_than(&found[best]) {
        true => it,
        false => best,
    })
}

/// The cuts with one of them a layer later or earlier, if that leaves no stage empty.
fn moved(found: &Found, cut: usize, later: bool) -> Option<Cuts> {
    let mut counts = found.partition.counts();
    let (from, to) = match later {
        true => (cut + 1, cut),
        false => (cut, cut + 1),
    };
    if counts[from] == 1 {
        return None;
    }
    counts[from] -= 1;
    counts[to] += 1;
    let partition = Partition::from_counts(&counts, found.partition.num_layers());
    Some((partition.ok()?, found.devices.clone()))
}
