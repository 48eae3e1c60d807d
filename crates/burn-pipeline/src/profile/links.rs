//! What it takes to move tensors between devices.

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use burn_pipeline_plan::{Cluster, DeviceSpec, Host, Link, Profile};

use super::clock::median;
use crate::PipelineError;
use crate::device::label;
use crate::transfer::{connect, move_to};

/// The link from one device to another, by their places in the list that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasuredLink {
    /// The device that sends.
    pub from: usize,
    /// The device that receives.
    pub to: usize,
    /// What was measured.
    pub link: Link,
}

/// Numbers in a small tensor, and in a large one.
const SMALL: usize = 16;
const LARGE: usize = 1 << 20;
const NUM_REPETITIONS: usize = 7;

/// What it takes to move a tensor from each of `devices` to each other, measured with one of 64
/// bytes and one of 4 MiB, the median of seven moves each. What arrives is read, so a move ends when it has
/// ended. From a device to itself nothing moves, whatever name it has.
///
/// # Errors
///
/// When a device cannot compute, or cannot reach another: both are named.
pub fn measure_links(devices: &[Device]) -> Result<Vec<MeasuredLink>, PipelineError> {
    connect(devices);
    let mut links = Vec::new();
    for (from, sender) in devices.iter().enumerate() {
        for (to, receiver) in devices.iter().enumerate() {
            if from != to {
                let link = link(sender, receiver)?;
                links.push(MeasuredLink { from, to, link });
            }
        }
    }
    Ok(links)
}

/// A profile for each of `devices`, as [`measured_cluster`] takes them. What is named several times is
/// measured once: by `profile`, which is told the device and how many of them share it.
///
/// # Errors
///
/// The first that `profile` has.
pub fn profile_each<E>(
    devices: &[Device],
    mut profile: impl FnMut(&Device, usize) -> Result<Profile, E>,
) -> Result<Vec<Profile>, E> {
    let mut profiles: Vec<Profile> = Vec::with_capacity(devices.len());
    for (index, device) in devices.iter().enumerate() {
        let known = devices[..index].iter().position(|it| it == device);
        profiles.push(match known {
            Some(known) => profiles[known].clone(),
            None => {
                let num_sharing = devices.iter().filter(|it| *it == device).count();
                profile(device, num_sharing)?
            }
        });
    }
    Ok(profiles)
}

/// Devices as a planner sees them, on one host: `profiles` are of the same model, one on each of
/// `devices`, which are the stages'. A device's speed is relative to that of the first: by how
/// much less time all layers take, forward and backward. Links are measured.
///
/// # Errors
///
/// When there is not one profile for each device, one of them measures nothing, or a device cannot
/// reach another.
pub fn measured_cluster(
    devices: &[Device],
    profiles: &[Profile],
) -> Result<Cluster, PipelineError> {
    let refuse = |error: String| PipelineError::Profile(error);
    if devices.len() != profiles.len() || devices.is_empty() {
        return Err(refuse(format!(
            "{} devices have {} profiles: give one for each, and at least one",
            devices.len(),
            profiles.len()
        )));
    }
    let num_samples = profiles[0].layers.first();
    let num_samples = num_samples.and_then(|it| Some(it.measurements.last()?.num_samples));
    let num_samples =
        num_samples.ok_or_else(|| refuse("the first profile is empty".to_string()))?;
    let first = seconds(&profiles[0], num_samples)?;
    let mut specs = Vec::with_capacity(devices.len());
    for (device, profile) in devices.iter().zip(profiles) {
        specs.push(DeviceSpec {
            name: label(device),
            flops: first / seconds(profile, num_samples)?,
            memory_bytes: None,
        });
    }
    let host = Host {
        devices: specs,
        link: Link::NONE,
    };
    let cluster = Cluster::new(vec![host], Link::NONE).map_err(|it| refuse(it.to_string()))?;
    let mut links = measure_links(devices)?.into_iter();
    let with_link = |cluster: Cluster, it: MeasuredLink| cluster.with_link(it.from, it.to, it.link);
    let cluster = links.try_fold(cluster, with_link);
    cluster.map_err(|it| refuse(it.to_string()))
}

/// All layers forward and backward.
fn seconds(profile: &Profile, num_samples: usize) -> Result<f64, PipelineError> {
    let checked = profile.check();
    checked.map_err(|error| PipelineError::Profile(error.to_string()))?;
    let layers = (0..profile.num_layers()).map(|layer| profile.at(layer, num_samples));
    Ok(layers.map(|it| it.recorded_forward + it.backward).sum())
}

fn link(from: &Device, to: &Device) -> Result<Link, PipelineError> {
    let from = from.clone().without_autodiff();
    let to = to.clone().without_autodiff();
    if from == to {
        return Ok(Link::NONE);
    }
    let failed = |error: String| {
        PipelineError::Profile(format!(
            "nothing could be moved from `{}` to `{}`: {error}",
            label(&from),
            label(&to)
        ))
    };
    let mut seconds = [0.0; 2];
    for (seconds, num_numbers) in seconds.iter_mut().zip([SMALL, LARGE]) {
        let tensor = Tensor::<1>::ones([num_numbers], &from);
        let mut times = Vec::with_capacity(NUM_REPETITIONS);
        // The first move sets up what later ones use.
        for _ in 0..=NUM_REPETITIONS {
            from.sync().map_err(|error| failed(error.to_string()))?;
            let start = Instant::now();
            let moved = move_to(tensor.clone(), &to);
            let read = moved.narrow(0, num_numbers - 1, 1).try_into_data();
            read.map_err(|error| failed(error.to_string()))?;
            times.push(start.elapsed().as_secs_f64());
        }
        *seconds = median(times.split_off(1));
    }
    let [small, large] = seconds;
    let bytes = 4 * (LARGE - SMALL);
    Ok(Link {
        latency: small,
        // A large move that was not slower than a small one says that bytes cost nothing.
        bandwidth: match large > small {
            true => bytes as f64 / (large - small),
            false => f64::INFINITY,
        },
    })
}

#[cfg(test)]
mod tests {
    use burn_pipeline_plan::{BytesSource, LayerProfile, Measurement};

    use super::*;

    fn profile(backward: f64) -> Profile {
        Profile {
            device: "flex".to_string(),
            input_bytes_per_sample: 4.0,
            bytes_source: BytesSource::Given,
            layers: vec![LayerProfile {
                name: "0".to_string(),
                parameter_bytes: 4,
                measurements: vec![Measurement {
                    num_samples: 4,
                    recorded_forward: 1.0,
                    backward,
                    ..Measurement::default()
                }],
            }],
            shared_parameters: Vec::new(),
            loss: Vec::new(),
        }
    }

    #[test]
    fn a_device_is_as_fast_as_its_profile_says() {
        let devices = [Device::flex(), Device::flex()];
        let cluster = measured_cluster(&devices, &[profile(3.0), profile(1.0)]).unwrap();
        assert_eq!(cluster.device(0).flops, 1.0);
        assert_eq!(cluster.device(1).flops, 2.0);
        assert_eq!(cluster.link(0, 1), Link::NONE);
    }

    #[test]
    fn a_measured_cluster_is_read_as_it_was_stored() {
        let devices = [Device::flex(), Device::flex()];
        let cluster = measured_cluster(&devices, &[profile(3.0), profile(1.0)]).unwrap();
        let json = serde_json::to_string(&cluster).unwrap();
        assert_eq!(serde_json::from_str::<Cluster>(&json).unwrap(), cluster);
    }

    #[test]
    fn each_device_needs_a_profile() {
        let error = measured_cluster(&[Device::flex()], &[]).unwrap_err();
        assert!(error.to_string().starts_with("1 devices have 0 profiles"));
    }
}
