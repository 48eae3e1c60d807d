//! Servers that send tensors to each other.
//!
//! A server asks another for tensors through one connection, and an answer that is not ready holds
//! up those behind it. Where a server has several devices, two of them can ask in an order in which
//! each waits for the other: such moves happen one by one, each to its end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use burn::tensor::Device;

use super::address::Address;
use super::servers::{server_of, sessions};
use crate::transfer::prove_alive;

type Turn = Arc<Mutex<()>>;

static TURNS: Mutex<Vec<(Address, Address, Turn)>> = Mutex::new(Vec::new());

/// The connection between two servers, for the moves through it to take turns.
pub(crate) struct Channel {
    turn: Turn,
    time_out: Duration,
}

/// The connection that a move from one device to another goes through, where moves must take turns.
pub(crate) fn channel(from: &Device, to: &Device) -> Option<Channel> {
    let (source, target) = (server_of(from)?, server_of(to)?);
    if source.address == target.address || num_devices(&target.address) < 2 {
        return None;
    }
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = turns
        .iter()
        .find(|(one, other, _)| *one == source.address && *other == target.address);
    let turn = match known {
        Some((.., turn)) => turn.clone(),
        None => {
            let turn = Turn::default();
            turns.push((source.address, target.address, turn.clone()));
            turn
        }
    };
    Some(Channel {
        turn,
        time_out: target.time_out,
    })
}

/// How many devices of a server this program uses.
fn num_devices(server: &Address) -> usize {
    let sessions = sessions();
    let of_server = sessions.iter().filter(|it| it.server.address == *server);
    let mut indices: Vec<_> = of_server.map(|session| session.index).collect();
    indices.sort_unstable();
    indices.dedup();
    indices.len()
}

impl Channel {
    /// Move something to `device`, and wait until it is there.
    pub(crate) fn carry<T>(self, carry: impl FnOnce() -> T, device: &Device) -> T {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let carried = carry();
        let began = Instant::now();
        // A server that is gone fails the stage that asks for its answer next.
        let _ = prove_alive(device, || began.elapsed() < self.time_out);
        carried
    }
}
