use serde::{Deserialize, Serialize};

use super::PlanError;
use crate::{Cost, Costs};

/// Costs as a plan stores them: the few different ones, and which one each micro-batch of each
/// place has.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Compact {
    different: Vec<Cost>,
    places: Vec<Vec<usize>>,
}

impl Compact {
    pub(super) fn of(costs: &Costs, num_places: usize, num_micro_batches: usize) -> Self {
        let mut different: Vec<Cost> = Vec::new();
        let places = (0..num_places).map(|place| {
            // Equal costs are close together: those of the place before, or of this one.
            let micro_batches = (0..num_micro_batches).map(|it| costs.get(place, it));
            let indices = micro_batches.map(|cost| {
                let found = different.iter().rposition(|it| it == cost);
                found.unwrap_or_else(|| {
                    different.push(*cost);
                    different.len() - 1
                })
            });
            let mut indices: Vec<usize> = indices.collect();
            if indices.iter().all(|it| *it == indices[0]) {
                indices.truncate(1);
            }
            indices
        });
        let places = places.collect();
        Self { different, places }
    }

    pub(super) fn num_places(&self) -> usize {
        self.places.len()
    }

    /// The costs, if every index is of one.
    pub(super) fn costs(&self) -> Result<Costs, PlanError> {
        let found = self.different.len();
        let highest = self.places.iter().flatten().max();
        match highest {
            Some(&index) if index >= found => Err(PlanError::Stored {
                what: "different costs",
                found,
                expected: index.saturating_add(1),
            }),
            _ => {
                let place = |indices: &Vec<usize>| {
                    let costs = indices.iter().map(|it| self.different[*it]);
                    costs.collect()
                };
                Ok(Costs::new(self.places.iter().map(place).collect()))
            }
        }
    }
}
