//! What a stage waits for.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::cancel::Cancel;
use super::carrier::{Cargo, Route};
use crate::StageError;

/// How often one who waits looks up whether the step has failed.
const LOOK_UP: Duration = Duration::from_millis(20);

/// Nothing comes any more.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The other end is gone, or the step has failed elsewhere: that place has the cause.
    Elsewhere,
    /// What was on its way is lost, and this is the cause.
    Lost(Box<StageError>),
}

type Message<T> = (usize, Result<T, Box<StageError>>);

/// The end of a channel that takes messages of the micro-batch that is asked for, and keeps those
/// of others that come before it.
pub(crate) struct Inbox<T> {
    messages: Receiver<Message<T>>,
    early: HashMap<usize, Result<T, Box<StageError>>>,
    cancel: Cancel,
    is_carried: bool,
}

/// The other end: straight to the inbox, or through a carrier that moves the message to another
/// device.
pub(crate) struct Outbox<T> {
    messages: Sender<Message<T>>,
    route: Option<Box<Route>>,
}

pub(crate) fn mailbox<T>(route: Option<Box<Route>>, cancel: &Cancel) -> (Outbox<T>, Inbox<T>) {
    let (sender, messages) = channel();
    let inbox = Inbox {
        messages,
        early: HashMap::new(),
        cancel: cancel.clone(),
        is_carried: route.is_some(),
    };
    let outbox = Outbox {
        messages: sender,
        route,
    };
    (outbox, inbox)
}

impl<T: Cargo> Outbox<T> {
    /// Send the message of a micro-batch, and go on.
    pub(crate) fn send(&self, micro_batch: usize, message: T) -> Result<(), Stopped> {
        let Some(route) = &self.route else {
            let sent = self.messages.send((micro_batch, Ok(message)));
            return sent.map_err(|_| Stopped::Elsewhere);
        };
        let messages = self.messages.clone();
        route.carry(micro_batch, message, move |carried| {
            // A receiver that is gone needs it no more.
            let _ = messages.send((micro_batch, carried));
        })
    }
}

impl<T> Inbox<T> {
    pub(crate) fn receive(&mut self, micro_batch: usize) -> Result<T, Stopped> {
        if let Some(message) = self.early.remove(&micro_batch) {
            return message.map_err(Stopped::Lost);
        }
        loop {
            let (other, message) = match self.messages.recv_timeout(LOOK_UP) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) if !self.cancel.is_said() => continue,
                Err(_) => return Err(Stopped::Elsewhere),
            };
            if other == micro_batch {
                return message.map_err(Stopped::Lost);
            }
            self.early.insert(other, message);
        }
    }

    /// Whether messages come through a carrier, and are on the receiver's device already.
    pub(crate) fn is_carried(&self) -> bool {
        self.is_carried
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::AnySignal;

    fn signal() -> AnySignal {
        AnySignal::new(())
    }

    #[test]
    fn messages_are_taken_in_the_order_they_are_asked_for() {
        let (outbox, mut inbox) = mailbox(None, &Cancel::default());
        for micro_batch in [2, 0, 1] {
            outbox.send(micro_batch, signal()).unwrap();
        }
        assert!((0..3).all(|micro_batch| inbox.receive(micro_batch).is_ok()));
    }

    #[test]
    fn a_sender_that_is_gone_stops_the_receiver() {
        let (outbox, mut inbox) = mailbox::<AnySignal>(None, &Cancel::default());
        drop(outbox);
        assert!(inbox.receive(0).is_err());
    }

    #[test]
    fn a_step_that_has_failed_is_not_waited_for() {
        let cancel = Cancel::default();
        let (outbox, mut inbox) = mailbox::<AnySignal>(None, &cancel);
        cancel.say();
        assert!(inbox.receive(0).is_err());
        outbox.send(0, signal()).unwrap();
        assert!(inbox.receive(0).is_ok());
    }
}
