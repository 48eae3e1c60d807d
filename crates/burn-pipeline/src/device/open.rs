//! From a name to a device that was found and proven.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;
#[allow(unused_imports)] // Without a backend, there is nothing to enumerate.
use burn::tensor::DeviceType;

use super::label::remember;
#[cfg(feature = "wgpu")]
use super::name::Adapter;
use super::name::{Api, DeviceName};
use super::{DeviceError, probe_device};

/// The device called `name`, found on this machine and [proven](probe_device) to compute right:
///
/// | name | device | feature |
/// |---|---|---|
/// | `flex` | the CPU, by Burn's own kernels | `flex` |
/// | `cpu` | the CPU, by compiled kernels | `cpu` |
/// | `cuda:1` | the second NVIDIA GPU; `cuda` is the first | `cuda` |
/// | `rocm:0` | an AMD GPU | `rocm` |
/// | `wgpu` | the GPU that the system prefers | `wgpu` |
/// | `wgpu:discrete:0`, `wgpu:integrated:0`, `wgpu:virtual:0` | a GPU of that kind | `wgpu` |
/// | `wgpu:cpu` | a software driver | `wgpu` |
/// | `vulkan:..`, `metal:..` | the same through that interface only | `vulkan`, `metal` |
/// | `remote:ws://host:3000/1` | the second device of a server | `remote` |
///
/// A server's token comes from the environment variable `BURN_PIPELINE_TOKEN`; for other ways, and
/// for time-outs, see `Remote`.
///
/// # Errors
///
/// When the name is none, the build lacks the backend, the machine lacks the device (both errors
/// list what there is), the device computes wrong, or a server does not let this program in.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// let device = burn_pipeline::open_device("flex").unwrap();
/// # }
/// let error = burn_pipeline::open_device("abacus").unwrap_err();
/// assert!(error.to_string().contains("there is no backend `abacus`"));
/// ```
pub fn open_device(name: &str) -> Result<Device, DeviceError> {
    let parsed = DeviceName::parse(name)?;
    let device = find(&parsed)?;
    if !matches!(parsed, DeviceName::Remote { .. }) {
        remember(&device, parsed.to_string());
    }
    probe_device(&device)?;
    Ok(device)
}

/// One device for each stage, by `names` with a comma between two: as many as stages, in their
/// order, or one for all of them.
///
/// # Errors
///
/// As [`open_device`], for the first name that has one, and when the numbers of names and stages
/// do not fit.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// let devices = burn_pipeline::open_devices("flex", 4).unwrap();
/// assert_eq!(devices.len(), 4);
/// # }
/// ```
pub fn open_devices(names: &str, num_stages: usize) -> Result<Vec<Device>, DeviceError> {
    let names: Vec<_> = names.split(',').map(str::trim).collect();
    if names.len() != 1 && names.len() != num_stages {
        return Err(DeviceError::Count {
            num_names: names.len(),
            num_stages,
        });
    }
    let devices: Vec<_> = names
        .iter()
        .map(|name| open_device(name))
        .collect::<Result<_, _>>()?;
    match devices.as_slice() {
        [device] => Ok(vec![device.clone(); num_stages]),
        _ => Ok(devices),
    }
}

/// The names of all devices that this build and this machine have. Servers are not among them.
pub fn available_devices() -> Vec<String> {
    let mut names: Vec<DeviceName> = Vec::new();
    if cfg!(feature = "flex") {
        names.push(DeviceName::Flex);
    }
    if cfg!(feature = "cpu") {
        names.push(DeviceName::Cpu);
    }
    names.extend((0..quietly(num_cuda)).map(DeviceName::Cuda));
    names.extend((0..quietly(num_rocm)).map(DeviceName::Rocm));
    for api in [Api::Wgpu, Api::Vulkan, Api::Metal] {
        let adapters = quietly(|| super::wgpu::adapters(api));
        names.extend(adapters.into_iter().map(|it| DeviceName::Graphics(api, it)));
    }
    names.iter().map(ToString::to_string).collect()
}

fn find(name: &DeviceName) -> Result<Device, DeviceError> {
    match name {
        #[cfg(feature = "flex")]
        DeviceName::Flex => Ok(Device::flex()),
        #[cfg(feature = "cpu")]
        DeviceName::Cpu => Ok(Device::cpu()),
        #[cfg(feature = "cuda")]
        DeviceName::Cuda(index) => match quietly(num_cuda) {
            0 => Err(not_found(
                name,
                "no CUDA driver was found, or it has no device; `nvidia-smi` tells more",
            )),
            num if *index < num => Ok(Device::cuda(*index)),
            num => Err(not_found(name, &format!("it has {num} CUDA devices"))),
        },
        #[cfg(feature = "rocm")]
        DeviceName::Rocm(index) => match quietly(num_rocm) {
            0 => Err(not_found(
                name,
                "no ROCm driver was found, or it has no device; `rocminfo` tells more",
            )),
            num if *index < num => Ok(Device::rocm(*index)),
            num => Err(not_found(name, &format!("it has {num} ROCm devices"))),
        },
        #[cfg(feature = "wgpu")]
        DeviceName::Graphics(api, adapter) if super::wgpu::is_built(*api) => {
            find_graphics(name, *api, *adapter)
        }
        #[cfg(feature = "remote")]
        DeviceName::Remote { url, index } => crate::Remote::new(url).device(*index),
        #[allow(unreachable_patterns)] // With every feature on, nothing is left.
        _ => Err(DeviceError::NotBuilt {
            name: name.to_string(),
            feature: name.feature().to_string(),
            available: available(),
        }),
    }
}

#[cfg(feature = "wgpu")]
fn find_graphics(name: &DeviceName, api: Api, adapter: Adapter) -> Result<Device, DeviceError> {
    let adapters = quietly(|| super::wgpu::adapters(api));
    if adapters.is_empty() {
        return Err(not_found(
            name,
            "no graphics driver was found; on Linux, `vulkaninfo --summary` tells more",
        ));
    }
    match adapter == Adapter::Default || adapters.contains(&adapter) {
        true => Ok(super::wgpu::device(api, adapter)),
        false => Err(not_found(name, "no driver has such a device")),
    }
}

#[allow(dead_code)] // Without a backend whose devices can be missing.
fn not_found(name: &DeviceName, reason: &str) -> DeviceError {
    DeviceError::NotFound {
        name: name.to_string(),
        reason: reason.to_string(),
        available: available(),
    }
}

fn available() -> String {
    let names = available_devices();
    match names.is_empty() {
        true => "no device".to_string(),
        false => format!("`{}`", names.join("`, `")),
    }
}

/// Drivers that are missing or broken make some backends panic.
fn quietly<T: Default>(ask: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or_default()
}

fn num_cuda() -> usize {
    #[cfg(feature = "cuda")]
    return Device::enumerate(DeviceType::Cuda).len();
    #[cfg(not(feature = "cuda"))]
    0
}

fn num_rocm() -> usize {
    #[cfg(feature = "rocm")]
    return Device::enumerate(DeviceType::Rocm).len();
    #[cfg(not(feature = "rocm"))]
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_can_be_opened() {
        let names = available_devices();
        for name in names {
            open_device(&name).unwrap();
        }
    }

    #[test]
    fn several_names_open_several_devices() {
        if cfg!(feature = "flex") {
            assert_eq!(open_devices("flex, flex", 2).unwrap().len(), 2);
            assert_eq!(open_devices("flex", 3).unwrap().len(), 3);
        }
        assert!(open_devices("flex,", 2).is_err());
        let error = open_devices("flex,flex", 3).unwrap_err().to_string();
        assert_eq!(
            error,
            "2 devices are named for 3 stages: name one per stage, or one for all"
        );
    }

    #[cfg(not(feature = "rocm"))]
    #[test]
    fn a_backend_that_was_not_built_is_named() {
        let error = open_device("rocm:1").unwrap_err().to_string();
        assert!(
            error.starts_with("`rocm:1` needs the feature `rocm` of burn-pipeline, which this build does not have; it has "),
            "{error}"
        );
    }
}
