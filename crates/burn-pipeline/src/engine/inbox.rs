//! What a stage waits for.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};

/// The other end is gone: a neighbour failed or stopped.
#[derive(Debug)]
pub(crate) struct Stopped;

/// The end of a channel that takes messages of the micro-batch that is asked for, and keeps those
/// of others that come before it.
pub(crate) struct Inbox<T> {
    messages: Receiver<(usize, T)>,
    early: HashMap<usize, T>,
}

/// The other end.
pub(crate) struct Outbox<T>(Sender<(usize, T)>);

pub(crate) fn mailbox<T>() -> (Outbox<T>, Inbox<T>) {
    let (sender, messages) = channel();
    let inbox = Inbox {
        messages,
        early: HashMap::new(),
    };
    (Outbox(sender), inbox)
}

impl<T> Outbox<T> {
    pub(crate) fn send(&self, micro_batch: usize, message: T) -> Result<(), Stopped> {
        self.0.send((micro_batch, message)).map_err(|_| Stopped)
    }
}

impl<T> Inbox<T> {
    pub(crate) fn receive(&mut self, micro_batch: usize) -> Result<T, Stopped> {
        if let Some(message) = self.early.remove(&micro_batch) {
            return Ok(message);
        }
        loop {
            let (other, message) = self.messages.recv().map_err(|_| Stopped)?;
            if other == micro_batch {
                return Ok(message);
            }
            self.early.insert(other, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_in_the_order_they_are_asked_for() {
        let (outbox, mut inbox) = mailbox();
        for micro_batch in [2, 0, 1] {
            outbox.send(micro_batch, micro_batch * 10).unwrap();
        }
        let taken: Vec<_> = (0..3).map(|m| inbox.receive(m).unwrap()).collect();
        assert_eq!(taken, [0, 10, 20]);
    }

    #[test]
    fn a_sender_that_is_gone_stops_the_receiver() {
        let (outbox, mut inbox) = mailbox::<()>();
        drop(outbox);
        assert!(inbox.receive(0).is_err());
    }
}
