//! Moving one tensor from device to device.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::kind::Autodiff;
use burn::tensor::{Device, Tensor};

/// CUDA devices exchange tensors in calls that must come in one order on both sides. Two threads
/// that exchange at once can mix them up, or wait for each other for ever.
static CUDA: Mutex<()> = Mutex::new(());

thread_local! {
    static HAS_TURN: Cell<bool> = const { Cell::new(false) };
}

/// The right to exchange tensors between CUDA devices, held until dropped: both sides are flushed
/// by then.
pub(crate) struct Turn {
    _guard: MutexGuard<'static, ()>,
}

impl Turn {
    /// Nothing where this thread has it already.
    fn take() -> Option<Self> {
        if HAS_TURN.get() {
            return None;
        }
        let guard = CUDA.lock().unwrap_or_else(PoisonError::into_inner);
        HAS_TURN.set(true);
        Some(Self { _guard: guard })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        HAS_TURN.set(false);
    }
}

/// The right to move tensors between `devices` other than by [`move_to`], where there must be one.
pub(crate) fn take_turn<'a>(devices: impl Iterator<Item = &'a Device>) -> Option<Turn> {
    match devices.filter(|device| is_cuda(device)).count() {
        0 | 1 => None,
        _ => Turn::take(),
    }
}

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
    let _turn = Turn::take();
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
        connect_two(&pair[0], &pair[1]);
    }
}

/// The same between each two devices in `devices`.
pub(crate) fn connect_all(devices: &[Device]) {
    for (place, one) in devices.iter().enumerate() {
        for other in &devices[place + 1..] {
            connect_two(one, other);
        }
    }
}

fn connect_two(one: &Device, other: &Device) {
    if one == other || !is_cuda(one) || !is_cuda(other) {
        return;
    }
    for (from, to) in [(one, other), (other, one)] {
        let number = Tensor::<1>::zeros([1], from);
        // A device that cannot answer fails in its stage, where the error can name it.
        let _ = move_to(number, to).try_into_data();
    }
}

/// Burn has no other way to tell.
fn is_cuda(device: &Device) -> bool {
    format!("{device:?}").contains("Cuda")
}
