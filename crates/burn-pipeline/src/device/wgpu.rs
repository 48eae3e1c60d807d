//! GPUs through wgpu: which there are, and the device of each.

use super::name::{Adapter, Api};

/// How many GPUs of a kind are looked for.
#[cfg(feature = "wgpu")]
const MAX_PER_KIND: usize = 16;

#[cfg(feature = "wgpu")]
pub(super) fn is_built(api: Api) -> bool {
    match api {
        Api::Wgpu => true,
        Api::Vulkan => cfg!(feature = "vulkan"),
        Api::Metal => cfg!(feature = "metal"),
    }
}

/// The adapters of this machine, as far as this build reaches them.
#[cfg(not(feature = "wgpu"))]
pub(super) fn adapters(_api: Api) -> Vec<Adapter> {
    Vec::new()
}

/// The adapters of this machine, as far as this build reaches them.
#[cfg(feature = "wgpu")]
pub(super) fn adapters(api: Api) -> Vec<Adapter> {
    use burn::tensor::{Device, DeviceType};

    let found = match api {
        Api::Wgpu => Device::enumerate(DeviceType::Wgpu),
        #[cfg(feature = "vulkan")]
        Api::Vulkan => Device::enumerate(DeviceType::Vulkan),
        #[cfg(feature = "metal")]
        Api::Metal => Device::enumerate(DeviceType::Metal),
        #[allow(unreachable_patterns)] // With every interface on, nothing is left.
        _ => return Vec::new(),
    };
    let kinds = [Adapter::Discrete, Adapter::Integrated, Adapter::Virtual];
    let mut all: Vec<_> = kinds
        .iter()
        .flat_map(|kind| (0..MAX_PER_KIND).map(kind))
        .collect();
    all.push(Adapter::Cpu);
    all.retain(|adapter| found.contains(&device(api, *adapter)));
    all
}

#[cfg(feature = "wgpu")]
pub(super) fn device(api: Api, adapter: Adapter) -> burn::tensor::Device {
    use burn::tensor::{Device, DeviceKind};

    let kind = match adapter {
        Adapter::Default => DeviceKind::DefaultDevice,
        Adapter::Discrete(index) => DeviceKind::DiscreteGpu(index),
        Adapter::Integrated(index) => DeviceKind::IntegratedGpu(index),
        Adapter::Virtual(index) => DeviceKind::VirtualGpu(index),
        Adapter::Cpu => DeviceKind::Cpu,
    };
    match api {
        #[cfg(feature = "vulkan")]
        Api::Vulkan => Device::vulkan(kind),
        #[cfg(feature = "metal")]
        Api::Metal => Device::metal(kind),
        _ => Device::wgpu(kind),
    }
}
