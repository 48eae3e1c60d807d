//! The largest mini-batch, and the largest model, that fit.

use std::ops::Range;

use super::{
    Plan, PlanError, Planner,
    candidate::{Candidate, micro_batches},
    search::Search,
    shape::Shape,
};
use crate::{Profile, Rematerialization, SharedParameter};

impl Planner<'_> {
    /// The plan with the shortest step for the largest mini-batch that fits, of up to `most` samples.
    ///
    /// With more micro-batches, more fits: it is the most for the numbers of micro-batches that the
    /// planner may choose from. Needs are taken to grow with the number of samples. The smallest
    /// mini-batch is one with a sample for each of the fewest micro-batches allowed.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan) where not even the smallest mini-batch fits, and where `most` fits.
    ///
    /// # Complexity
    ///
    /// A search for something that fits for each of `2 log2 n` mini-batches of up to `2 n` samples,
    /// and one for the best plan.
    pub fn largest_batch(&self, most: usize) -> Result<Plan, PlanError> {
        let fits = |batch_size: usize| {
            let costs = self.costs()?;
            self.with_search(self.profile, costs, batch_size, fits)
        };
        let least = self.least_micro_batches();
        match greatest(least, most, fits)? {
            None => self.plan(least.min(most)),
            Some(it) if it == most => Err(PlanError::NoLimit {
                most,
                what: "samples",
            }),
            Some(batch_size) => self.plan(batch_size),
        }
    }

    /// How often some layers of the model can be repeated so that it still fits, up to `most` times,
    /// with mini-batches of `batch_size` samples. The layers named are there that often in all.
    ///
    /// [`Profile::repeated`] makes the profile of that model, to plan for it.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan) where not even the model itself fits, and where `most` fits.
    pub fn largest_model(
        &self,
        batch_size: usize,
        layers: Range<usize>,
        most: usize,
    ) -> Result<usize, PlanError> {
        let num_layers = self.profile.num_layers();
        if layers.is_empty() || layers.end > num_layers {
            return Err(PlanError::Repeated { layers, num_layers });
        }
        let fits = |num_times: usize| {
            let profile = self.profile.repeated(layers.clone(), num_times);
            let original = |layer: usize| original(&layers, num_times, layer);
            let costs = self.costs_of(&profile, original)?;
            self.with_search(&profile, costs, batch_size, fits)
        };
        match greatest(1, most, fits)? {
            None => self.plan(batch_size).map(|_| 1),
            Some(it) if it == most => Err(PlanError::NoLimit {
                most,
                what: "repetitions",
            }),
            Some(num_times) => Ok(num_times),
        }
    }
}

/// Whether any candidate fits. Those that need least as a rule come first.
fn fits(search: &mut Search, mut candidates: Vec<Candidate>) -> Result<bool, PlanError> {
    candidates.sort_by_key(|it| {
        let recomputes = it.rematerialization != Rematerialization::Never;
        let sizes = (it.num_stages, it.num_micro_batches);
        std::cmp::Reverse((sizes, recomputes, it.kind.num_chunks() == 1))
    });
    for candidate in candidates {
        let sizes = micro_batches(search.batch_size, candidate.num_micro_batches);
        if search.least_share(&candidate, &Shape::of(&candidate, &sizes)?) > 1.0 {
            continue;
        }
        let least = search.least_memory(&candidate, 1.0)?;
        if least.is_some_and(|it| it.fits()) {
            return Ok(true);
        }
        // Needs of several chunks on a stage are met at different times: other cuts may do as well.
        let has_chunks = candidate.kind.num_chunks() > 1;
        if has_chunks && !search.evaluate(&candidate, f64::INFINITY)?.found.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The greatest number from `least` to `most` of which something holds, if it holds of all smaller
/// ones.
fn greatest(
    least: usize,
    most: usize,
    holds: impl Fn(usize) -> Result<bool, PlanError>,
) -> Result<Option<usize>, PlanError> {
    let mut low = least - 1;
    let mut high = least;
    while high <= most && holds(high)? {
        low = high;
        if high == most {
            return Ok(Some(most));
        }
        high = high.saturating_mul(2).min(most);
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        match holds(middle)? {
            true => low = middle,
            false => high = middle,
        }
    }
    Ok((low >= least).then_some(low))
}

/// Which layer a layer of the repeated model is. What follows the model, its loss, stays that.
fn original(layers: &Range<usize>, num_times: usize, layer: usize) -> usize {
    let repeated_end = layers.start + layers.len() * num_times;
    match layer {
        it if it < layers.start => it,
        it if it < repeated_end => layers.start + (it - layers.start) % layers.len(),
        it => it - repeated_end + layers.end,
    }
}

impl Profile {
    /// The profile of a model in which some layers are there `num_times` in a row, each repetition
    /// with parameters of its own but for those that are shared: all of them hold these.
    ///
    /// # Panics
    ///
    /// If there are no such layers.
    pub fn repeated(&self, layers: Range<usize>, num_times: usize) -> Self {
        let num_layers = self.num_layers() + layers.len() * num_times - layers.len();
        let of = |layer: usize| original(&layers, num_times, layer);
        let shared = self.shared_parameters.iter().map(|it| SharedParameter {
            bytes: it.bytes,
            layers: (0..num_layers)
                .filter(|layer| it.layers.contains(&of(*layer)))
                .collect(),
        });
        Self {
            layers: (0..num_layers)
                .map(|it| self.layers[of(it)].clone())
                .collect(),
            shared_parameters: shared.collect(),
            ..self.clone()
        }
    }
}
