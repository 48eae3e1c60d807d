//! What a step failed of.

use super::home::Home;
use crate::StageError;

/// Words of the backends for a device that is full.
const FULL: [&str; 6] = [
    "out of memory",
    "OutOfMemory",
    "OUT_OF_MEMORY",
    "BufferTooBig",
    "memory allocation",
    "allocate buffer",
];

/// The error with the name of its device and, where another machine is the cause, that one's
/// stage: one that is gone makes others fail first.
pub(super) fn explain(error: StageError, homes: &[Home]) -> StageError {
    for (stage, home) in homes.iter().enumerate() {
        if let Err(reason) = home.check() {
            return gone(stage, home, &reason, error);
        }
    }
    let home = &homes[error.stage];
    let device = home.label.clone();
    if FULL.iter().any(|full| error.message.contains(full)) {
        let message = format!(
            "{}; the device has too little memory for this stage: use more micro-batches, \
             `Rematerialization::Always`, or a placement with fewer layers on it",
            error.message.trim_end_matches('.')
        );
        return StageError {
            device,
            message,
            ..error
        };
    }
    StageError { device, ..error }
}

/// The error of a stage whose server does not answer.
pub(super) fn gone(stage: usize, home: &Home, reason: &str, noticed: StageError) -> StageError {
    let message = match noticed.message.is_empty() {
        true => format!("its server is gone: {reason}"),
        false => format!(
            "its server is gone: {reason} (stage {} noticed: {})",
            noticed.stage,
            noticed.message.trim_end_matches('.')
        ),
    };
    StageError {
        stage,
        device: home.label.clone(),
        device_lost: true,
        layer: None,
        in_loss: false,
        message,
        ..noticed
    }
}
