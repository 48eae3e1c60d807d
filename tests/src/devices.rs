//! The devices that every machine has.

use burn::tensor::Device;

/// Two devices that are not the same one: tensors really move between them.
///
/// Burn's older CPU backend is on its way out, and stands in for a second card until then.
#[expect(deprecated, reason = "a second device on every machine")]
pub fn two_devices() -> [Device; 2] {
    [Device::flex(), Device::ndarray()]
}
