use serde::{Deserialize, Serialize};

use super::CostError;
use crate::{Op, Schedule};

/// What one micro-batch costs on one chunk of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cost {
    /// The time of a Forward, in seconds.
    pub forward: f64,
    /// The time of a Recompute, in seconds.
    pub recompute: f64,
    /// The time of a Backward, in seconds.
    pub backward: f64,
    /// The time from the end of a Forward until the next stage has the boundary, in seconds. Where
    /// no other stage waits for it, it counts for nothing.
    pub boundary: f64,
    /// The time from the end of a Backward until the stage before has the gradient, in seconds.
    /// Where no other stage waits for it, it counts for nothing.
    pub gradient: f64,
    /// The bytes of the boundary that the chunk receives: what a micro-batch that is recomputed
    /// keeps until then.
    pub boundary_bytes: u64,
    /// The bytes that the chunk keeps from a recorded Forward, or a Recompute, until the Backward,
    /// the boundary included.
    pub activation_bytes: u64,
}

impl Cost {
    /// The time of an operation, in seconds.
    pub(crate) fn seconds(&self, op: Op) -> f64 {
        match op {
            Op::Forward => self.forward,
            Op::Recompute => self.recompute,
            Op::Backward => self.backward,
        }
    }

    /// The time from the end of an operation until its result is where it is waited for.
    pub(crate) fn delivery(&self, op: Op) -> f64 {
        match op {
            Op::Forward => self.boundary,
            Op::Recompute => 0.0,
            Op::Backward => self.gradient,
        }
    }
}

/// The costs of a schedule's instructions: for each chunk, in their order along the model, and for
/// each micro-batch.
///
/// ```
/// use burn_pipeline_plan::{Cost, Costs};
///
/// let cost = Cost { forward: 1.0, backward: 2.0, ..Cost::default() };
/// let equal = Costs::equal(cost);
/// let second_stage_twice_as_slow = Costs::per_chunk(vec![
///     cost,
///     Cost { forward: 2.0, backward: 4.0, ..cost },
/// ]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Costs {
    /// By place along the model, then by micro-batch. A list of one counts for all.
    places: Vec<Vec<Cost>>,
}

impl Costs {
    /// The same cost for every chunk and micro-batch.
    pub fn equal(cost: Cost) -> Self {
        Self::per_chunk(vec![cost])
    }

    /// A cost for each chunk, the same for all its micro-batches. Chunk `c` of stage `s` of `K` is
    /// at `c * K + s`.
    pub fn per_chunk(costs: Vec<Cost>) -> Self {
        Self::new(costs.into_iter().map(|cost| vec![cost]).collect())
    }

    /// A cost for each micro-batch of each chunk. A list of one cost counts for all.
    pub fn new(costs: Vec<Vec<Cost>>) -> Self {
        Self { places: costs }
    }

    /// The same costs, and these bytes: for each place along the model, those of the boundary that
    /// a chunk receives and of the activations that it keeps, for one micro-batch.
    ///
    /// Measured costs have no bytes of their own. Costs that are equal for all places stay so, with
    /// the bytes of place 0.
    pub fn with_bytes(mut self, bytes: impl Fn(usize) -> (u64, u64)) -> Self {
        for (place, costs) in self.places.iter_mut().enumerate() {
            let (boundary_bytes, activation_bytes) = bytes(place);
            for cost in costs {
                cost.boundary_bytes = boundary_bytes;
                cost.activation_bytes = activation_bytes;
            }
        }
        self
    }

    /// The costs of each place along the model.
    pub(super) fn places(&self) -> &[Vec<Cost>] {
        &self.places
    }

    /// The cost of a micro-batch at a place along the model.
    pub(crate) fn get(&self, place: usize, micro_batch: usize) -> &Cost {
        let at_place = match self.places.as_slice() {
            [all] => all,
            places => &places[place],
        };
        match at_place.as_slice() {
            [all] => all,
            costs => &costs[micro_batch],
        }
    }

    /// Checks that there is a cost for every instruction of a schedule, and that each is one.
    pub(crate) fn check(&self, schedule: &Schedule) -> Result<(), CostError> {
        let layout = schedule.layout();
        let (num_stages, num_chunks) = (layout.num_stages, layout.num_chunks);
        let num_micro_batches = schedule.num_micro_batches();
        let found = self.places.len();
        if found != 1 && found != num_stages * num_chunks {
            return Err(CostError::Places {
                found,
                num_stages,
                num_chunks,
            });
        }
        for (place, costs) in self.places.iter().enumerate() {
            let (stage, chunk) = layout.at(place);
            let found = costs.len();
            if found != 1 && found != num_micro_batches {
                return Err(CostError::MicroBatches {
                    stage,
                    chunk,
                    found,
                    num_micro_batches,
                });
            }
            for cost in costs {
                check_seconds(cost, stage, chunk)?;
            }
        }
        Ok(())
    }
}

fn check_seconds(cost: &Cost, stage: usize, chunk: usize) -> Result<(), CostError> {
    let fields = [
        ("forward", cost.forward),
        ("recompute", cost.recompute),
        ("backward", cost.backward),
        ("boundary", cost.boundary),
        ("gradient", cost.gradient),
    ];
    let wrong = |&(_, seconds): &(_, f64)| !seconds.is_finite() || seconds < 0.0;
    match fields.into_iter().find(wrong) {
        Some((field, seconds)) => Err(CostError::Seconds {
            stage,
            chunk,
            field,
            seconds,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScheduleKind;
    use rstest::rstest;

    fn cost(forward: f64) -> Cost {
        Cost {
            forward,
            ..Cost::default()
        }
    }

    #[rstest]
    #[case(
        Costs::per_chunk(vec![cost(1.0); 3]),
        "the costs are of 3 chunks, but the schedule has 2 stages of 1 chunks: \
         give 1 cost for all, or 2, one for each place along the model"
    )]
    #[case(
        Costs::new(vec![vec![cost(1.0)], vec![cost(1.0); 3]]),
        "the costs of chunk 0 of stage 1 are of 3 micro-batches, but the schedule has 4: \
         give 1 cost for all, or one for each"
    )]
    #[case(
        Costs::per_chunk(vec![cost(1.0), cost(-1.0)]),
        "the forward of chunk 0 of stage 1 takes -1 s: \
         give a finite number that is not negative"
    )]
    #[case(
        Costs::equal(cost(f64::NAN)),
        "the forward of chunk 0 of stage 0 takes NaN s: \
         give a finite number that is not negative"
    )]
    fn costs_that_do_not_fit_are_named(#[case] costs: Costs, #[case] message: &str) {
        let schedule = ScheduleKind::GPipe.schedule(2, 4).unwrap();
        assert_eq!(costs.check(&schedule).unwrap_err().to_string(), message);
    }

    #[test]
    fn bytes_are_those_of_the_place() {
        let costs = Costs::per_chunk(vec![cost(1.0), cost(2.0)]);
        let costs = costs.with_bytes(|place| (place as u64, 10 * place as u64));
        let expected = Cost {
            boundary_bytes: 1,
            activation_bytes: 10,
            ..cost(2.0)
        };
        assert_eq!(costs, Costs::per_chunk(vec![cost(1.0), expected]));
    }

    #[test]
    fn costs_are_stored_as_lists_of_lists() {
        let costs = Costs::per_chunk(vec![cost(1.0), cost(2.0)]);
        let json = serde_json::to_string(&costs).unwrap();
        assert_eq!(serde_json::from_str::<Costs>(&json).unwrap(), costs);
        let short: Costs =
            serde_json::from_str(r#"[[{"forward":1.0}],[{"forward":2.0}]]"#).unwrap();
        assert_eq!(short, costs);
    }
}
