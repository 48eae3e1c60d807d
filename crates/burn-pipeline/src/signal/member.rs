use burn::tensor::Device;

use crate::transfer::prove_alive;

/// One device of a stage: its own, or another one on which a layer of it keeps parameters.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    device: Device,
    is_remote: bool,
    is_asynchronous: bool,
}

impl Member {
    /// A device, on another machine if `is_remote`.
    pub(crate) fn new(device: &Device, is_remote: bool) -> Self {
        Self {
            device: device.clone().without_autodiff(),
            is_remote,
            // CubeCL's backends are; Burn has no other way to tell.
            is_asynchronous: format!("{device:?}").contains("Cube("),
        }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn is_asynchronous(&self) -> bool {
        self.is_asynchronous
    }

    pub(super) fn flush(&self) -> Result<(), String> {
        self.device.flush().map_err(|error| error.to_string())
    }

    /// Wait until the device has done all that was handed to it, if it is another machine's, while
    /// it `goes_on`.
    pub(crate) fn prove_alive(&self, goes_on: impl FnMut() -> bool) -> Result<(), String> {
        match self.is_remote {
            true => prove_alive(&self.device, goes_on),
            false => Ok(()),
        }
    }
}
