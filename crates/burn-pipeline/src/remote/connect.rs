//! Opening a session with a server, or finding the one that is open.

use std::time::{Duration, Instant};

use burn::remote::{ConnectError, RemoteHost};
use burn::tensor::Device;

use super::address::Address;
use super::pulse::wait_for;
use super::servers::{Server, Session, sessions};
use crate::DeviceError;
use crate::device::remember;
use crate::transfer::prove_alive;
use crate::waiting::wait_while;

/// The device `index` of the server, in the session that is open if it still answers.
pub(super) fn connect(
    address: &Address,
    token: Option<&str>,
    index: usize,
    time_out: Duration,
) -> Result<Device, DeviceError> {
    let deadline = Instant::now() + time_out;
    let error = |reason| DeviceError::Unreachable {
        name: address.to_string(),
        reason,
    };
    wait_for(address, deadline).map_err(error)?;

    let number = match open_session(address, token, index) {
        Found::Alive(device, number) if answers(&device, time_out) => {
            remember_session(address, token, index, number, Some(&device), time_out);
            return Ok(device);
        }
        Found::Alive(_, number) => number + 1,
        Found::None(number) => number,
    };
    let host = host(address, token, number);
    let connecting = Device::remote_options(&host)
        .device_index(index)
        .init_async();
    let device = match wait_while(connecting, || Instant::now() < deadline) {
        Some(Ok(device)) => device,
        Some(Err(fault)) => return Err(error(explain(fault, index))),
        None => {
            // Burn goes on waiting in this session, which is not to be used again.
            remember_session(address, token, index, number, None, time_out);
            return Err(error(format!(
                "it let this program in no further within {} s: is it a server of devices?",
                time_out.as_secs_f64()
            )));
        }
    };
    remember_session(address, token, index, number, Some(&device), time_out);
    Ok(device)
}

/// How many devices the server has.
pub(super) fn num_devices(
    address: &Address,
    token: Option<&str>,
    time_out: Duration,
) -> Result<usize, DeviceError> {
    // The first device's session tells; Burn has the answer once it is open.
    connect(address, token, 0, time_out)?;
    let error = |reason| DeviceError::Unreachable {
        name: address.to_string(),
        reason,
    };
    let number = newest(address, token);
    let listing = host(address, token, number).devices_async();
    let deadline = Instant::now() + time_out;
    match wait_while(listing, || Instant::now() < deadline) {
        Some(Ok(devices)) => Ok(devices.len()),
        Some(Err(fault)) => Err(error(explain(fault, 0))),
        None => Err(error("it did not list its devices in time".to_string())),
    }
}

enum Found {
    Alive(Device, usize),
    /// The number of the session to open.
    None(usize),
}

/// The session with this device that is as new as any with its server.
fn open_session(address: &Address, token: Option<&str>, index: usize) -> Found {
    let newest = newest(address, token);
    let sessions = sessions();
    let mut of_server = of_server(&sessions, address, token);
    let open = of_server.find(|session| session.index == index && session.number == newest);
    match open.and_then(|session| session.device.clone()) {
        Some(device) => Found::Alive(device, newest),
        None => Found::None(newest),
    }
}

fn newest(address: &Address, token: Option<&str>) -> usize {
    let sessions = sessions();
    let numbers = of_server(&sessions, address, token)
        .map(|session| session.number + usize::from(session.device.is_none()));
    numbers.max().unwrap_or(0)
}

fn of_server<'a>(
    sessions: &'a [Session],
    address: &'a Address,
    token: Option<&'a str>,
) -> impl Iterator<Item = &'a Session> {
    sessions.iter().filter(move |session| {
        session.server.address == *address && session.token.as_deref() == token
    })
}

fn remember_session(
    address: &Address,
    token: Option<&str>,
    index: usize,
    number: usize,
    device: Option<&Device>,
    time_out: Duration,
) {
    if let Some(device) = device {
        remember(device, format!("remote:{address}/{index}"));
    }
    let mut sessions = sessions();
    sessions.retain(|session| device.is_none() || session.device.as_ref() != device);
    sessions.push(Session {
        server: Server {
            address: address.clone(),
            time_out,
        },
        token: token.map(str::to_string),
        index,
        number,
        device: device.cloned(),
    });
}

/// Whether the session of a device still does what it is told. One that waits for what a lost
/// server was to send never answers: another takes its place.
fn answers(device: &Device, time_out: Duration) -> bool {
    let deadline = Instant::now() + time_out / 4;
    prove_alive(device, || Instant::now() < deadline).is_ok()
}

fn host(address: &Address, token: Option<&str>, number: usize) -> RemoteHost {
    let host = RemoteHost::websocket(&address.for_session(number));
    match token {
        Some(token) => host.with_credential(token),
        None => host,
    }
}

fn explain(error: ConnectError, index: usize) -> String {
    match error {
        ConnectError::Unauthorized => "the server does not know the token: give the server's, in \
             the environment variable `BURN_PIPELINE_TOKEN` or by `Remote::with_token`"
            .to_string(),
        ConnectError::NoSuchDevice { device_count } => format!(
            "it has {device_count} devices, numbered from 0, and number {index} was asked for"
        ),
        ConnectError::IncompatibleProtocol {
            client_version,
            server_version,
        } => format!(
            "it speaks version {server_version} of Burn's protocol and this program version \
             {client_version}: build both with one version of Burn"
        ),
        ConnectError::Handshake { reason } => format!(
            "it answers, but not as a server of devices does ({reason}): is it one, built with \
             the same version of Burn?"
        ),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_of_burn_is_told_with_both_numbers() {
        let error = ConnectError::IncompatibleProtocol {
            client_version: 3,
            server_version: 4,
        };
        assert_eq!(
            explain(error, 0),
            "it speaks version 4 of Burn's protocol and this program version 3: build both with \
             one version of Burn"
        );
    }
}
