//! What is known of the place where a stage computes.

use std::time::{Duration, Instant};

use burn::tensor::Device;

use crate::device::{is_remote, label};
#[cfg(feature = "remote")]
use crate::remote::{Server, server_of};
use crate::signal::StageDevice;

/// The time-out of a server that was not connected to through this crate.
const UNKNOWN: Duration = Duration::from_secs(5);

/// The device of a stage, as errors speak of it.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) label: String,
    is_remote: bool,
    #[cfg(feature = "remote")]
    server: Option<Server>,
}

impl Home {
    pub(crate) fn of(device: &Device) -> Self {
        Self {
            label: label(device),
            is_remote: is_remote(device),
            #[cfg(feature = "remote")]
            server: server_of(device),
        }
    }

    /// Whether the device of this place refuses what it is told. One that has not answered yet may
    /// be busy.
    pub(super) fn is_lost(&self, device: &StageDevice) -> bool {
        let began = Instant::now();
        let time_out = self.time_out().unwrap_or(UNKNOWN);
        let mut waited = true;
        let proof = device.prove_alive(|| {
            waited = began.elapsed() < time_out;
            waited
        });
        proof.is_err() && waited
    }

    /// How long the server of this place may take to answer, if it has one.
    pub(super) fn time_out(&self) -> Option<Duration> {
        #[cfg(feature = "remote")]
        if let Some(server) = &self.server {
            return Some(server.time_out());
        }
        self.is_remote.then_some(UNKNOWN)
    }

    /// Whether both places are on one server.
    pub(super) fn is_with(&self, other: &Self) -> bool {
        #[cfg(feature = "remote")]
        if let (Some(server), Some(of_other)) = (&self.server, &other.server) {
            return server.is(of_other);
        }
        self.label == other.label
    }

    /// Ask the server of this place, if it has one, for an answer.
    pub(crate) fn check(&self) -> Result<(), String> {
        #[cfg(feature = "remote")]
        if let Some(server) = &self.server {
            return server.check();
        }
        Ok(())
    }
}
