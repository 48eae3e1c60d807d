use serde::{Deserialize, Serialize};

/// What one layer costs on one micro-batch of so many samples.
///
/// In its stored form, the number of samples and the times of both passes must be there. A recorded
/// forward pass that is left out takes as long as one that only computes. What the layer works with is
/// then not known; anything else is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredMeasurement")]
pub struct Measurement {
    /// The samples in the micro-batch, 1 or more.
    pub num_samples: usize,
    /// The time of a forward pass that only computes, in seconds.
    pub forward: f64,
    /// The time of a forward pass that records its graph, in seconds.
    pub recorded_forward: f64,
    /// The time of a backward pass through the layer, in seconds.
    pub backward: f64,
    /// The time that a backward pass takes to begin with the gradient of what the layer sends, in
    /// seconds. The last layer of a stage takes it on top, where no loss follows.
    pub pull_back: f64,
    /// The bytes that a recorded forward pass keeps until the backward pass, its output among them
    /// where that is kept, its input not.
    pub activation_bytes: u64,
    /// The bytes of the signal that the layer sends.
    pub output_bytes: u64,
    /// What the passes need for a while, none where it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_bytes: Option<WorkingBytes>,
}

/// The most bytes that a layer needs for a while, beside what it keeps and what it leaves: what
/// kernels work in, and gradients on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkingBytes {
    /// In a recorded forward pass.
    pub forward: u64,
    /// In a backward pass.
    pub backward: u64,
}

impl WorkingBytes {
    /// Of the pass that needs more.
    pub fn most(self) -> u64 {
        self.forward.max(self.backward)
    }

    /// The same for a part, or for more samples: `bytes` turns each number into another.
    pub(crate) fn map(self, bytes: impl Fn(u64) -> u64) -> Self {
        Self {
            forward: bytes(self.forward),
            backward: bytes(self.backward),
        }
    }
}

/// A measurement as it is stored: what is not known may be left out.
#[derive(Deserialize)]
#[serde(rename = "Measurement", deny_unknown_fields)]
struct StoredMeasurement {
    num_samples: usize,
    forward: f64,
    recorded_forward: Option<f64>,
    backward: f64,
    #[serde(default)]
    pull_back: f64,
    #[serde(default)]
    activation_bytes: u64,
    #[serde(default)]
    output_bytes: u64,
    working_bytes: Option<WorkingBytes>,
}

impl From<StoredMeasurement> for Measurement {
    fn from(stored: StoredMeasurement) -> Self {
        Self {
            num_samples: stored.num_samples,
            forward: stored.forward,
            recorded_forward: stored.recorded_forward.unwrap_or(stored.forward),
            backward: stored.backward,
            pull_back: stored.pull_back,
            activation_bytes: stored.activation_bytes,
            output_bytes: stored.output_bytes,
            working_bytes: stored.working_bytes,
        }
    }
}

/// What `measurements`, by increasing number of samples, say of `num_samples`.
pub(super) fn interpolate(measurements: &[Measurement], num_samples: usize) -> Measurement {
    let pair = match measurements {
        [] => panic!("a profile is checked before it is used"),
        [only] => return scaled(only, num_samples),
        all => {
            let after = all.partition_point(|it| it.num_samples < num_samples);
            let after = after.clamp(1, all.len() - 1);
            [&all[after - 1], &all[after]]
        }
    };
    let [low, high] = pair;
    let span = (high.num_samples - low.num_samples) as f64;
    let share = (num_samples as f64 - low.num_samples as f64) / span;
    let line = |of: fn(&Measurement) -> f64| {
        let beyond = of(low) + share * (of(high) - of(low));
        // Noise may tilt a line so far that it leads below zero.
        let floor = match num_samples {
            it if it < low.num_samples => of(low) * it as f64 / low.num_samples as f64,
            it if it > high.num_samples => of(high),
            _ => 0.0,
        };
        beyond.max(floor)
    };
    Measurement {
        num_samples,
        forward: line(|it| it.forward),
        recorded_forward: line(|it| it.recorded_forward),
        backward: line(|it| it.backward),
        pull_back: line(|it| it.pull_back),
        activation_bytes: line(|it| it.activation_bytes as f64).round() as u64,
        output_bytes: line(|it| it.output_bytes as f64).round() as u64,
        working_bytes: (low.working_bytes.and(high.working_bytes)).map(|_| WorkingBytes {
            forward: line(|it| working(it).forward as f64).round() as u64,
            backward: line(|it| working(it).backward as f64).round() as u64,
        }),
    }
}

fn working(it: &Measurement) -> WorkingBytes {
    it.working_bytes.unwrap_or_default()
}

fn scaled(only: &Measurement, num_samples: usize) -> Measurement {
    let factor = num_samples as f64 / only.num_samples as f64;
    let bytes = |bytes: u64| (bytes as f64 * factor).round() as u64;
    Measurement {
        num_samples,
        forward: only.forward * factor,
        recorded_forward: only.recorded_forward * factor,
        backward: only.backward * factor,
        pull_back: only.pull_back * factor,
        activation_bytes: bytes(only.activation_bytes),
        output_bytes: bytes(only.output_bytes),
        // Part of it is as large as the parameters, however few samples there are.
        working_bytes: only.working_bytes.map(|it| it.map(|it| bytes(it).max(it))),
    }
}
