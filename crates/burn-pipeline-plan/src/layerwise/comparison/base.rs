use serde::{Deserialize, Serialize};

use super::{
    super::{Layerwise, LayerwiseError, StepCost},
    Baseline, ComparisonSvg,
};

/// What a step costs under one strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyCost {
    /// What the strategy is called.
    pub name: String,
    /// What a step costs.
    pub cost: StepCost,
}

/// The searched configurations beside the three [baselines](Baseline), for the same graph and
/// devices: Jia et al. (2018), section 7.
///
/// Written as a table, stored as JSON, drawn by [`svg`](Self::svg).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The devices.
    pub num_devices: usize,
    /// What was searched.
    pub searched: StrategyCost,
    /// The baselines.
    pub baselines: Vec<StrategyCost>,
}

impl Comparison {
    /// All strategies, what was searched first.
    pub fn strategies(&self) -> impl Iterator<Item = &StrategyCost> {
        std::iter::once(&self.searched).chain(&self.baselines)
    }

    /// How many times as long as a searched step a step of the best baseline takes: 1 or more.
    pub fn speedup(&self) -> f64 {
        let seconds = self.baselines.iter().map(|it| it.cost.seconds());
        seconds.fold(f64::INFINITY, f64::min) / self.searched.cost.seconds()
    }

    /// A drawing: how each layer is split, beside the step time and the bytes of each strategy.
    pub fn svg(&self) -> ComparisonSvg<'_> {
        ComparisonSvg::new(self)
    }
}

impl Layerwise<'_> {
    /// Searches, and compares what is found with the baselines.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    pub fn compare(&self) -> Result<Comparison, LayerwiseError> {
        let baselines = Baseline::ALL.map(|it| StrategyCost {
            name: it.to_string(),
            cost: self.baseline(it),
        });
        Ok(Comparison {
            num_devices: self.num_devices(),
            searched: StrategyCost {
                name: "searched".to_string(),
                cost: self.search()?.cost,
            },
            baselines: baselines.to_vec(),
        })
    }
}
