use serde::{Deserialize, Serialize};

use super::super::Configuration;

/// What a layer costs in a step, and what its inputs cost that come from elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerCost {
    /// Its name.
    pub name: String,
    /// How it is split.
    pub configuration: Configuration,
    /// The time that its forward and backward pass compute for.
    pub compute_seconds: f64,
    /// The time that the synchronization of its gradients adds to that.
    pub synchronization_seconds: f64,
    /// The bytes that the synchronization of its gradients moves.
    pub synchronization_bytes: u64,
    /// The time that its inputs, and their gradients, are on their way.
    pub transfer_seconds: f64,
    /// The bytes of its inputs, and of their gradients, that are moved.
    pub transfer_bytes: u64,
}

/// What a training step costs under a configuration for each layer: times in seconds, one layer
/// after the other, and bytes moved between all devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepCost {
    /// The layers, in the order of the graph.
    pub layers: Vec<LayerCost>,
}

impl StepCost {
    /// The time of a step.
    pub fn seconds(&self) -> f64 {
        self.compute_seconds() + self.synchronization_seconds() + self.transfer_seconds()
    }

    /// The time that layers compute for.
    pub fn compute_seconds(&self) -> f64 {
        self.layers.iter().map(|it| it.compute_seconds).sum()
    }

    /// The time that the synchronization of gradients adds.
    pub fn synchronization_seconds(&self) -> f64 {
        self.layers
            .iter()
            .map(|it| it.synchronization_seconds)
            .sum()
    }

    /// The time that signals and their gradients are on their way.
    pub fn transfer_seconds(&self) -> f64 {
        self.layers.iter().map(|it| it.transfer_seconds).sum()
    }

    /// The bytes moved.
    pub fn bytes(&self) -> u64 {
        self.synchronization_bytes() + self.transfer_bytes()
    }

    /// The bytes that the synchronization of gradients moves.
    pub fn synchronization_bytes(&self) -> u64 {
        self.layers.iter().map(|it| it.synchronization_bytes).sum()
    }

    /// The bytes of signals and their gradients that are moved.
    pub fn transfer_bytes(&self) -> u64 {
        self.layers.iter().map(|it| it.transfer_bytes).sum()
    }

    /// How each layer is split.
    pub fn configurations(&self) -> Vec<Configuration> {
        self.layers.iter().map(|it| it.configuration).collect()
    }
}
