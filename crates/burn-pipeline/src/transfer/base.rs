//! Moving one tensor from device to device.

use std::sync::{Mutex, PoisonError};

use burn::tensor::kind::Autodiff;
use burn::tensor::{Device, Tensor};

/// CUDA devices exchange tensors in calls that must come in one order on both sides. Two threads
/// that exchange at once can mix them up, or wait for each other for ever.
static CUDA: Mutex<()> = Mutex::new(());

/// The tensor on `device`.
pub(crate) fn move_to<const D: usize, K: Autodiff>(
    tensor: Tensor<D, K>,
    device: &Device,
) -> Tensor<D, K> {
    let from = tensor.device().without_autodiff();
    if from == *device {
        return tensor.to_device(device);
    }
    #[cfg(feature = "remote")]
    if let Some(channel) = crate::remote::channel(&from, device) {
        return channel.carry(|| tensor.to_device(device), device);
    }
    if !(is_cuda(&from) && is_cuda(device)) {
        return tensor.to_device(device);
    }
    let _turn = CUDA.lock().unwrap_or_else(PoisonError::into_inner);
    let moved = tensor.to_device(device);
    // Both sides' calls are on their way before the next pair's are made.
    let _ = from.flush();
    let _ = device.flush();
    moved
}

/// Exchange a number between each two CUDA devices in `devices` that follow each other: what sets
/// their connection up must not happen in two threads at once.
pub(crate) fn connect(devices: &[Device]) {
    for pair in devices.windows(2) {
        if pair[0] != pair[1] && is_cuda(&pair[0]) && is_cuda(&pair[1]) {
            for (from, to) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
                let number = Tensor::<1>::zeros([1], from);
                // A device that cannot answer fails in its stage, where the error can name it.
                let _ = move_to(number, to).try_into_data();
            }
        }
    }
}

/// Burn has no other way to tell.
fn is_cuda(device: &Device) -> bool {
    format!("{device:?}").contains("Cuda")
}
