//! Where the cuts fall, which device a stage is on, and what initialisation does there.

mod cuts;
mod initialise;

use burn::tensor::Device;

fn devices(num_devices: usize) -> Vec<Device> {
    vec![Device::flex(); num_devices]
}
