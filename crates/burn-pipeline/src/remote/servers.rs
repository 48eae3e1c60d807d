//! The sessions that this process has opened.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use burn::tensor::Device;

use super::address::Address;
use super::pulse::answers;

/// The server behind a device.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(super) address: Address,
    pub(super) time_out: Duration,
}

impl Server {
    /// Ask for any answer, within the server's time-out.
    pub(crate) fn check(&self) -> Result<(), String> {
        answers(&self.address, Instant::now() + self.time_out)
    }

    /// Whether this is the other.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.address == other.address
    }

    /// How long its answers may take.
    pub(crate) fn time_out(&self) -> Duration {
        self.time_out
    }
}

/// A device of a server, and the session it is used in.
pub(super) struct Session {
    pub(super) server: Server,
    pub(super) token: Option<String>,
    pub(super) index: usize,
    /// Sessions with one server count up: those of one number know each other's tensors.
    pub(super) number: usize,
    /// None where the server did not let this program in in time: Burn waits for it still.
    pub(super) device: Option<Device>,
}

static SESSIONS: Mutex<Vec<Session>> = Mutex::new(Vec::new());

pub(super) fn sessions() -> MutexGuard<'static, Vec<Session>> {
    SESSIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server of a device that was connected to through [`Remote`](super::Remote).
pub(crate) fn server_of(device: &Device) -> Option<Server> {
    let sessions = sessions();
    let session = sessions
        .iter()
        .find(|session| session.device.as_ref() == Some(device));
    session.map(|session| session.server.clone())
}

/// Why two devices are of one server, if they are and their addresses do not show it.
pub(crate) fn one_server(first: &Device, second: &Device) -> Option<String> {
    one_address(&server_of(first)?.address, &server_of(second)?.address)
}

fn one_address(first: &Address, second: &Address) -> Option<String> {
    if first == second {
        return None;
    }
    let others = second.resolve().ok()?;
    let mut hosts = first.resolve().ok()?.into_iter();
    let shared = hosts.find(|host| others.contains(host))?;
    Some(format!("the server at {shared}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_by_two_names_is_one() {
        let address = |url| Address::parse(url).unwrap();
        let one = address("ws://127.0.0.1:3000");
        let why = one_address(&one, &address("ws://localhost:3000"));
        assert_eq!(why.as_deref(), Some("the server at 127.0.0.1:3000"));
        assert_eq!(one_address(&one, &one), None);
        assert_eq!(one_address(&one, &address("ws://127.0.0.1:3001")), None);
    }
}
