//! The devices that the tests are run on.

use burn::tensor::Device;
use burn_pipeline::{available_devices, open_devices};

/// Lists of devices by name.
pub fn lists() -> Vec<String> {
    if let Ok(lists) = std::env::var("BURN_PIPELINE_DEVICES") {
        return lists.split_whitespace().map(str::to_string).collect();
    }
    let names = available_devices();
    let pairs = names.windows(2).map(|pair| pair.join(","));
    names.iter().cloned().chain(pairs).collect()
}

/// A device for each of `num_stages`, in turn from a list.
pub fn devices(list: &str, num_stages: usize) -> Vec<Device> {
    let num_names = list.split(',').count();
    let devices = open_devices(list, num_names).unwrap();
    devices.into_iter().cycle().take(num_stages).collect()
}
