use serde::{Deserialize, Serialize};

use super::{Configuration, Elimination, StepCost};

/// The configurations with the least step time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// What a step costs, layer by layer.
    pub cost: StepCost,
    /// How it was found.
    pub elimination: Elimination,
}

impl Strategy {
    /// How each layer is split.
    pub fn configurations(&self) -> Vec<Configuration> {
        self.cost.configurations()
    }

    /// The time of a step, in seconds.
    pub fn seconds(&self) -> f64 {
        self.cost.seconds()
    }
}
