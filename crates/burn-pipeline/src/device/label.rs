//! What a device is called in errors and warnings.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;

static OPENED: Mutex<Vec<(Device, String)>> = Mutex::new(Vec::new());

fn opened() -> MutexGuard<'static, Vec<(Device, String)>> {
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Call a device by the name that it was opened with.
pub(crate) fn remember(device: &Device, name: String) {
    let mut opened = opened();
    opened.retain(|(other, _)| other != device);
    opened.push((device.clone().without_autodiff(), name));
}

/// The name a device was opened with, or what Burn calls it.
pub(crate) fn label(device: &Device) -> String {
    let device = device.clone().without_autodiff();
    if let Some((_, name)) = opened().iter().find(|(other, _)| *other == device) {
        return name.clone();
    }
    let shown = format!("{device:?}");
    let inner = shown.strip_prefix("Device<").unwrap_or(&shown);
    match inner.strip_suffix('>').unwrap_or(inner) {
        "Flex(Cpu)" => "flex".to_string(),
        other => other.to_string(),
    }
}

/// Whether the device is another machine's. Burn has no other way to tell: a test holds it.
pub(crate) fn is_remote(device: &Device) -> bool {
    let shown = format!("{:?}", device.clone().without_autodiff());
    shown.starts_with("Device<Remote")
}
