use std::time::Duration;

use burn::tensor::Device;

use super::address::Address;
use super::connect::{connect, num_devices};
use crate::DeviceError;

/// Where the token of servers is looked for when none is given.
const TOKEN: &str = "BURN_PIPELINE_TOKEN";

/// A server whose devices are used like any others: stages on them run on another machine.
///
/// The server is Burn's own `RemoteServer`, over WebSocket, whose operations come from this program
/// one by one. Nothing is encrypted: it is for networks that you trust, or through a tunnel.
///
/// ```no_run
/// use std::time::Duration;
/// use burn_pipeline::{Placement, Remote, open_device};
///
/// # fn main() -> Result<(), burn_pipeline::DeviceError> {
/// let far = Remote::new("ws://gpu-1:3000")
///     .with_token("a secret of both")
///     .with_time_out(Duration::from_secs(5))
///     .device(0)?;
/// let placement = Placement::even(&[open_device("flex")?, far]);
/// # Ok(())
/// # }
/// ```
///
/// Connecting again to a server that was lost gives a new session, in which nothing of the old one
/// is left. Burn keeps a thread for each session as long as the process lives.
#[derive(Clone)]
pub struct Remote {
    url: String,
    token: Option<String>,
    time_out: Duration,
}

impl Remote {
    /// The server at `url`: `ws://host:3000`. Its token is what the environment variable
    /// `BURN_PIPELINE_TOKEN` holds, if anything, and the time-out is 5 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: std::env::var(TOKEN).ok().filter(|token| !token.is_empty()),
            time_out: Duration::from_secs(5),
        }
    }

    /// Show this token to the server, which lets in those who know it.
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self
        }
    }

    /// How long to wait for an answer: when connecting, and in a step when nothing comes back. A
    /// step may take longer as long as the server answers others than itself.
    pub fn with_time_out(self, time_out: Duration) -> Self {
        Self { time_out, ..self }
    }

    /// The server's device of this number, from 0, in a session that is alive.
    ///
    /// # Errors
    ///
    /// When the host is not known, nothing listens there or nothing answers in time, the token is
    /// wrong, the server has fewer devices, or it was built with another version of Burn.
    pub fn device(&self, index: usize) -> Result<Device, DeviceError> {
        connect(
            &self.address()?,
            self.token.as_deref(),
            index,
            self.time_out,
        )
    }

    /// All devices of the server.
    ///
    /// # Errors
    ///
    /// As [`device`](Self::device).
    pub fn devices(&self) -> Result<Vec<Device>, DeviceError> {
        let address = self.address()?;
        let num_devices = num_devices(&address, self.token.as_deref(), self.time_out)?;
        (0..num_devices).map(|index| self.device(index)).collect()
    }

    fn address(&self) -> Result<Address, DeviceError> {
        Address::parse(&self.url).map_err(|reason| DeviceError::Unreachable {
            name: self.url.clone(),
            reason,
        })
    }
}

impl core::fmt::Debug for Remote {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Remote")
            .field("url", &self.url)
            .field("token", &self.token.as_ref().map(|_| ".."))
            .field("time_out", &self.time_out)
            .finish()
    }
}
