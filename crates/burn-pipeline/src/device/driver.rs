//! Who computes: the driver behind a device, and its version.

use burn::tensor::Device;

/// The driver and version of `device`, as far as its backend tells them. Opens the device.
pub(super) fn driver(device: &Device) -> String {
    name(device).unwrap_or_else(|| "unknown".to_string())
}

/// Drivers that are known to end the process where others compute, by what they call themselves.
pub(super) fn known_to_crash(driver: &str, spirv: bool) -> Option<&'static str> {
    // Mesa's software driver runs SPIR-V kernels right from its version 26.
    let spirv = spirv && driver.contains("llvmpipe");
    let mesa = driver.split("Mesa ").nth(1)?;
    let major: u32 = mesa.split('.').next()?.parse().ok()?;
    (spirv && major < 26).then_some(
        "Mesa's llvmpipe below version 26 ends the process in sums and products of matrices, with the feature `vulkan`",
    )
}

#[cfg(any(feature = "cpu", feature = "cuda", feature = "rocm", feature = "wgpu"))]
fn name(device: &Device) -> Option<String> {
    let identity = device.identity()?;
    let version = version(&identity.name).unwrap_or(identity.fingerprint);
    Some(format!("{}, {version}", identity.name))
}

#[cfg(not(any(feature = "cpu", feature = "cuda", feature = "rocm", feature = "wgpu")))]
fn name(_device: &Device) -> Option<String> {
    None
}

#[cfg(feature = "wgpu")]
fn version(adapter: &str) -> Option<String> {
    use burn::tensor::wgpu::wgpu::{Backends, Instance};

    let adapters = Instance::default().enumerate_adapters(Backends::all());
    let adapters = burn::tensor::read_sync(adapters);
    let mut infos = adapters.iter().map(|adapter| adapter.get_info());
    let info = infos.find(|info| info.name == adapter)?;
    Some(format!("{} {}", info.driver, info.driver_info))
}

#[cfg(all(
    not(feature = "wgpu"),
    any(feature = "cpu", feature = "cuda", feature = "rocm")
))]
fn version(_adapter: &str) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "llvmpipe (LLVM 15.0.6, 256 bits), llvmpipe Mesa 22.3.6 (LLVM 15.0.6)",
        true,
        true
    )]
    #[case(
        "llvmpipe (LLVM 15.0.6, 256 bits), llvmpipe Mesa 22.3.6 (LLVM 15.0.6)",
        false,
        false
    )]
    #[case("llvmpipe (LLVM 21.1.0, 256 bits), llvmpipe Mesa 26.0.1", true, false)]
    #[case("NVIDIA H100, NVIDIA 570.86", true, false)]
    #[case("unknown", true, false)]
    fn a_driver_that_ends_the_process_is_not_asked_to_compute(
        #[case] driver: &str,
        #[case] spirv: bool,
        #[case] crashes: bool,
    ) {
        assert_eq!(known_to_crash(driver, spirv).is_some(), crashes);
    }
}
