use serde::{Deserialize, Serialize};

use super::{Measurement, ProfileError, measurement::interpolate};

/// What one layer costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerProfile {
    /// The names of the fields that lead to it, as `blocks.3`.
    pub name: String,
    /// The bytes of its parameters that train; shared ones are in
    /// [`Profile::shared_parameters`] instead.
    pub parameter_bytes: u64,
    /// What was measured, by increasing number of samples: one entry is scaled to other numbers
    /// of samples, several are interpolated.
    pub measurements: Vec<Measurement>,
}

/// Where the bytes that layers keep for their backward passes are known from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BytesSource {
    /// From whoever wrote the profile.
    #[default]
    Given,
    /// Counted by an allocator, while a layer ran.
    Counted,
    /// Read from the memory pools of the device, while a layer ran.
    DevicePools,
    /// From shapes: what a layer sends, and nothing of what it keeps besides. Most layers keep
    /// several times as much.
    Shapes,
}

impl BytesSource {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Given => "as given",
            Self::Counted => "counted by an allocator",
            Self::DevicePools => "read from the device's memory pools",
            Self::Shapes => "from shapes: what layers send, nothing besides",
        }
    }
}

/// A parameter that several layers hold: tied weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedParameter {
    /// Its bytes.
    pub bytes: u64,
    /// The layers that hold it, in increasing order.
    pub layers: Vec<usize>,
}

/// What the layers of a model cost on one device.
///
/// It is plain data: made by measuring, by hand or from a table, stored as JSON, edited.
/// [`check`](Self::check) says whether it makes sense; whatever takes a profile calls it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The device that was measured, or what the numbers are of.
    pub device: String,
    /// The bytes of the model's input, per sample.
    pub input_bytes_per_sample: f64,
    /// Where the bytes kept for backward passes are known from.
    #[serde(default)]
    pub bytes_source: BytesSource,
    /// The layers, in their order along the model.
    pub layers: Vec<LayerProfile>,
    /// The parameters that several layers hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_parameters: Vec<SharedParameter>,
    /// What the loss costs, where it was measured: its time comes on top of the last layer's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loss: Vec<Measurement>,
}

impl Profile {
    /// The number of layers.
    pub fn num_layers(&self) -> usize {
        self.layers.len()
    }

    /// What a layer costs with `num_samples` samples: interpolated between the two measurements
    /// around it. Beyond the largest, the line through the last two goes on, and below the
    /// smallest the line through the first two. Times and bytes fall no lower than the largest
    /// measurement beyond it, and below the smallest no lower than in proportion to the samples. A
    /// single measurement scales in proportion.
    ///
    /// # Panics
    ///
    /// If there is no such layer, or it has no measurement.
    pub fn at(&self, layer: usize, num_samples: usize) -> Measurement {
        interpolate(&self.layers[layer].measurements, num_samples)
    }

    /// What the loss costs with `num_samples` samples; nothing where it was not measured.
    pub fn loss_at(&self, num_samples: usize) -> Measurement {
        match self.loss.as_slice() {
            [] => Measurement {
                num_samples,
                ..Measurement::default()
            },
            measurements => interpolate(measurements, num_samples),
        }
    }

    /// Whether the profile makes sense.
    ///
    /// # Errors
    ///
    /// The first thing that does not, with its layer.
    pub fn check(&self) -> Result<(), ProfileError> {
        if self.layers.is_empty() {
            return Err(ProfileError::NoLayers);
        }
        let bytes = self.input_bytes_per_sample;
        if !bytes.is_finite() || bytes < 0.0 {
            return Err(ProfileError::InputBytes { bytes });
        }
        for (layer, it) in self.layers.iter().enumerate() {
            check_measurements(layer, &it.name, &it.measurements)?;
        }
        if !self.loss.is_empty() {
            check_measurements(self.layers.len(), "the loss", &self.loss)?;
        }
        for shared in &self.shared_parameters {
            if let Some(&layer) = shared.layers.iter().find(|it| **it >= self.layers.len()) {
                return Err(ProfileError::NoSuchLayer {
                    bytes: shared.bytes,
                    layer,
                    num_layers: self.layers.len(),
                });
            }
        }
        Ok(())
    }
}

fn check_measurements(
    layer: usize,
    name: &str,
    measurements: &[Measurement],
) -> Result<(), ProfileError> {
    if measurements.is_empty() {
        return Err(ProfileError::Unmeasured {
            layer,
            name: name.to_string(),
        });
    }
    let mut previous = 0;
    for it in measurements {
        let num_samples = it.num_samples;
        if num_samples <= previous {
            return Err(ProfileError::Order {
                layer,
                name: name.to_string(),
                previous,
                num_samples,
            });
        }
        previous = num_samples;
        let times = [
            ("forward pass", it.forward),
            ("recorded forward pass", it.recorded_forward),
            ("backward pass", it.backward),
            ("start of the backward pass", it.pull_back),
        ];
        let wrong = |time: &&(&str, f64)| !time.1.is_finite() || time.1 < 0.0;
        if let Some(&(field, seconds)) = times.iter().find(wrong) {
            return Err(ProfileError::Seconds {
                layer,
                name: name.to_string(),
                num_samples,
                field,
                seconds,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WorkingBytes;
    use rstest::rstest;

    fn measurement(num_samples: usize, forward: f64) -> Measurement {
        Measurement {
            num_samples,
            forward,
            recorded_forward: forward,
            backward: 2.0 * forward,
            pull_back: 0.0,
            activation_bytes: 100 * num_samples as u64,
            output_bytes: 10 * num_samples as u64,
            working_bytes: Some(WorkingBytes {
                forward: 3 * num_samples as u64,
                backward: 7 * num_samples as u64,
            }),
        }
    }

    fn profile(measurements: Vec<Measurement>) -> Profile {
        Profile {
            device: "toy".to_string(),
            input_bytes_per_sample: 4.0,
            bytes_source: BytesSource::Given,
            layers: vec![LayerProfile {
                name: "blocks.0".to_string(),
                parameter_bytes: 8,
                measurements,
            }],
            shared_parameters: Vec::new(),
            loss: Vec::new(),
        }
    }

    #[rstest]
    #[case::between(4, 3.0)]
    #[case::measured(6, 4.0)]
    #[case::beyond(10, 6.0)]
    #[case::below(1, 1.5)]
    fn times_are_interpolated(#[case] num_samples: usize, #[case] forward: f64) {
        let profile = profile(vec![measurement(2, 2.0), measurement(6, 4.0)]);
        let found = profile.at(0, num_samples);
        assert_eq!(found, measurement(num_samples, forward));
    }

    #[test]
    fn more_samples_than_measured_never_cost_less() {
        // Noise: two samples more were faster, and kept less.
        let mut large = measurement(4, 1.5);
        large.activation_bytes = 150;
        let profile = profile(vec![measurement(2, 2.0), large]);
        let found = profile.at(0, 100);
        assert_eq!((found.forward, found.backward), (1.5, 3.0));
        assert_eq!((found.activation_bytes, found.output_bytes), (150, 1000));
        assert_eq!(profile.at(0, 3).forward, 1.75);
    }

    #[test]
    fn what_one_of_two_measurements_does_not_say_is_not_known_between_them() {
        let mut large = measurement(6, 4.0);
        large.working_bytes = None;
        let profile = profile(vec![measurement(2, 2.0), large]);
        assert_eq!(profile.at(0, 4).working_bytes, None);
    }

    #[test]
    fn a_single_measurement_scales() {
        let profile = profile(vec![measurement(2, 2.0)]);
        assert_eq!(profile.at(0, 5), measurement(5, 5.0));
    }

    #[rstest]
    #[case(vec![], "layer 0 (`blocks.0`) has no measurement")]
    #[case(vec![measurement(0, 1.0)], "layer 0 (`blocks.0`) is measured with 0 samples and then with 0")]
    #[case(
        vec![measurement(4, 1.0), measurement(2, 1.0)],
        "layer 0 (`blocks.0`) is measured with 4 samples and then with 2"
    )]
    #[case(
        vec![measurement(4, -1.0)],
        "the forward pass of layer 0 (`blocks.0`) with 4 samples takes -1 s"
    )]
    fn a_bad_profile_is_refused_with_the_layer(
        #[case] measurements: Vec<Measurement>,
        #[case] message: &str,
    ) {
        let error = profile(measurements).check().unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }

    #[rstest]
    #[case(f64::NAN)]
    #[case(f64::INFINITY)]
    #[case(-4.0)]
    fn an_input_of_no_number_of_bytes_is_refused(#[case] bytes: f64) {
        let mut profile = profile(vec![measurement(1, 1.0)]);
        profile.input_bytes_per_sample = bytes;
        let error = profile.check().unwrap_err().to_string();
        assert!(error.starts_with("the model's input has "), "{error}");
    }

    #[test]
    fn a_shared_parameter_is_in_layers_that_are_there() {
        let mut profile = profile(vec![measurement(1, 1.0)]);
        profile.shared_parameters.push(SharedParameter {
            bytes: 8,
            layers: vec![0, 1],
        });
        assert!(matches!(
            profile.check(),
            Err(ProfileError::NoSuchLayer { layer: 1, .. })
        ));
    }
}
