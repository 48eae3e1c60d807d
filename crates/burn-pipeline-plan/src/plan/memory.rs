use serde::{Deserialize, Serialize};

/// The bytes that a stage needs on its device. Of the mini-batch, only the micro-batches that are kept
/// for a backward pass are among them: the others are where they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageMemory {
    /// Parameters and the state of the optimizer.
    pub parameter_bytes: u64,
    /// The most that is there at once of activations and boundaries that are kept for backward
    /// passes, and of gradients of parameters: the first backward pass of a chunk leaves them, and
    /// each later one has its own beside them until it has added them.
    pub kept_bytes: u64,
    /// What the layer that needs most works with.
    pub working_bytes: u64,
    /// What the device holds; none means no limit.
    pub limit_bytes: Option<u64>,
}

impl StageMemory {
    /// All of it.
    pub fn bytes(&self) -> u64 {
        let kept = self.parameter_bytes.saturating_add(self.kept_bytes);
        kept.saturating_add(self.working_bytes)
    }

    /// Whether the device holds it.
    pub fn fits(&self) -> bool {
        self.limit_bytes.is_none_or(|limit| self.bytes() <= limit)
    }

    /// How much of the device it takes: above 1 is too much.
    pub(super) fn share(&self) -> f64 {
        let limit = self.limit_bytes.map(|it| it.max(1) as f64);
        limit.map_or(0.0, |limit| self.bytes() as f64 / limit)
    }
}
