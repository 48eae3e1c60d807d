use serde::{Deserialize, Serialize};

/// What it takes to move bytes from one device to another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The time until the first byte arrives, in seconds.
    pub latency: f64,
    /// Bytes per second.
    pub bandwidth: f64,
}

impl Link {
    /// A way that takes no time: from a device to itself.
    pub const NONE: Self = Self {
        latency: 0.0,
        bandwidth: f64::INFINITY,
    };

    /// The time to move `bytes`, in seconds; nothing for no bytes.
    pub fn seconds(&self, bytes: u64) -> f64 {
        match bytes {
            0 => 0.0,
            _ => self.latency + bytes as f64 / self.bandwidth,
        }
    }
}
