//! Whether a server answers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::address::Address;

/// How long to wait before knocking again at a door that is closed.
const KNOCK_AGAIN: Duration = Duration::from_millis(100);

/// Ask the server for any answer, by `deadline`. A server that computes answers too; one that is
/// frozen, or cut off, does not, though its machine may still take connections.
pub(super) fn answers(address: &Address, deadline: Instant) -> Result<(), String> {
    ask(address, deadline).map_err(|fault| match fault {
        Fault::Unknown(reason) => reason,
        Fault::Closed(reason) => format!("{reason}: is the server running, and this its port?"),
        Fault::Silent => "it takes connections and does not answer: is it a server of devices, \
                          and not stopped?"
            .to_string(),
    })
}

/// Ask until `deadline`, also while nothing listens yet.
pub(super) fn wait_for(address: &Address, deadline: Instant) -> Result<(), String> {
    loop {
        match ask(address, deadline) {
            Err(Fault::Closed(_)) if Instant::now() + KNOCK_AGAIN < deadline => sleep(KNOCK_AGAIN),
            Ok(()) => return Ok(()),
            Err(_) => return answers(address, deadline),
        }
    }
}

enum Fault {
    Unknown(String),
    Closed(String),
    Silent,
}

fn ask(address: &Address, deadline: Instant) -> Result<(), Fault> {
    let mut fault = Fault::Unknown("the name of the host stands for no address".to_string());
    for host in address.resolve().map_err(Fault::Unknown)? {
        let stream = match TcpStream::connect_timeout(&host, left(deadline)) {
            Ok(stream) => stream,
            Err(error) => {
                fault = Fault::Closed(format!("nothing listens at {host} ({error})"));
                continue;
            }
        };
        match exchange(stream, address, deadline) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                fault = Fault::Closed(format!("{host} ended the connection ({error})"));
            }
            Err(_) => fault = Fault::Silent,
        }
    }
    Err(fault)
}

/// One question over HTTP, which WebSocket servers speak: any answer is one.
fn exchange(mut stream: TcpStream, address: &Address, deadline: Instant) -> std::io::Result<()> {
    stream.set_write_timeout(Some(left(deadline)))?;
    let host = address.authority();
    stream.write_all(
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    stream.set_read_timeout(Some(left(deadline)))?;
    match stream.read(&mut [0])? {
        0 => Err(ErrorKind::ConnectionReset.into()),
        _ => Ok(()),
    }
}

/// The time until `deadline`: a moment at least, since none at all means for ever.
fn left(deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left.max(Duration::from_millis(10))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(300)
    }

    #[test]
    fn a_port_without_a_server_is_told_from_one_that_is_silent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let address = Address::parse(&url).unwrap();
        let error = answers(&address, soon()).unwrap_err();
        assert!(error.contains("does not answer"), "{error}");
        drop(listener);
        let error = answers(&address, soon()).unwrap_err();
        assert!(error.contains("nothing listens"), "{error}");
    }

    #[test]
    fn a_host_that_nobody_knows_is_told() {
        let address = Address::parse("ws://no-such-host.invalid:1").unwrap();
        let error = wait_for(&address, soon()).unwrap_err();
        assert!(error.contains("is not known"), "{error}");
    }
}
