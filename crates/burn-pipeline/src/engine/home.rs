//! What is known of the place where a stage computes.

use std::time::Duration;

use burn::tensor::Device;

use crate::device::label;
#[cfg(feature = "remote")]
use crate::remote::{Server, server_of, within};
use crate::signal::StageDevice;

/// The device of a stage, as errors speak of it.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) label: String,
    #[cfg(feature = "remote")]
    server: Option<Server>,
}

impl Home {
    pub(crate) fn of(device: &Device) -> Self {
        Self {
            label: label(device),
            #[cfg(feature = "remote")]
            server: server_of(device),
        }
    }

    /// Whether the device of this place no longer does what it is told.
    pub(super) fn is_lost(&self, device: &StageDevice) -> bool {
        #[cfg(feature = "remote")]
        if let Some(time_out) = self.time_out() {
            let device = device.clone();
            return within(time_out, move || device.prove_alive().is_err()).unwrap_or(true);
        }
        device.prove_alive().is_err()
    }

    /// How long the server of this place may take to answer, if it has one that is known.
    pub(super) fn time_out(&self) -> Option<Duration> {
        #[cfg(feature = "remote")]
        return self.server.as_ref().map(Server::time_out);
        #[cfg(not(feature = "remote"))]
        None
    }

    /// Ask the server of this place, if it has one, for an answer.
    pub(super) fn check(&self) -> Result<(), String> {
        #[cfg(feature = "remote")]
        if let Some(server) = &self.server {
            return server.check();
        }
        Ok(())
    }
}
