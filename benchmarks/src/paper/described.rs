//! What a described layer costs, counted from its shapes.

use burn_pipeline::{BytesSource, DeviceSpec, LayerProfile, Measurement, Profile};

/// A layer of a described model, for one sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    pub name: String,
    /// Multiplications and additions of a forward pass.
    pub flops: u64,
    /// Numbers that train.
    pub num_parameters: u64,
    /// Numbers that a forward pass keeps for the backward pass.
    pub num_kept: u64,
    /// Numbers that the layer sends on.
    pub num_sent: u64,
}

/// A model, and in how many bytes it is held.
#[derive(Clone, Debug)]
pub struct Model {
    pub name: String,
    pub layers: Vec<Described>,
    /// Bytes of one number that is kept or sent.
    pub bytes_per_number: f64,
    /// How much of what is counted the published memory shows to be kept: a compiler fuses
    /// operations and keeps less than one tensor for each.
    pub kept_share: f64,
    /// Bytes of the model's input, for one sample.
    pub input_bytes: f64,
}

impl Model {
    /// The numbers that train, of all layers.
    pub fn num_parameters(&self) -> u64 {
        self.layers.iter().map(|layer| layer.num_parameters).sum()
    }

    /// The bytes that all layers keep for one sample.
    pub fn kept_bytes(&self) -> f64 {
        let kept: u64 = self.layers.iter().map(|layer| layer.num_kept).sum();
        kept as f64 * self.bytes_per_number * self.kept_share
    }

    /// The profile that the model would have on a device: a backward pass is two forward passes,
    /// and a device is as fast with one sample as with many.
    pub fn profile(&self, device: &DeviceSpec) -> Profile {
        let layer = |it: &Described| {
            let forward = it.flops as f64 / device.flops;
            let bytes = |numbers: u64| (numbers as f64 * self.bytes_per_number) as u64;
            LayerProfile {
                name: it.name.clone(),
                parameter_bytes: 4 * it.num_parameters,
                measurements: vec![Measurement {
                    num_samples: 1,
                    forward,
                    recorded_forward: forward,
                    backward: 2.0 * forward,
                    pull_back: 0.0,
                    activation_bytes: (bytes(it.num_kept) as f64 * self.kept_share) as u64,
                    output_bytes: bytes(it.num_sent),
                    working_bytes: None,
                }],
            }
        };
        Profile {
            device: format!("{} on {}", self.name, device.name),
            input_bytes_per_sample: self.input_bytes,
            bytes_source: BytesSource::Given,
            layers: self.layers.iter().map(layer).collect(),
            shared_parameters: Vec::new(),
            loss: Vec::new(),
        }
    }
}
