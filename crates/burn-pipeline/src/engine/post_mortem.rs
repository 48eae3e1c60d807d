//! What a step failed of.

use std::time::{Duration, Instant};

use super::home::{Gone, Home};
use super::watch::Gathered;
use super::worker::Workers;
use crate::signal::StageDevice;
use crate::{LostDevice, PipelineError, StageError};

/// How long a carrier may take to end what it does.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Words of the backends for a device that is full.
const FULL: [&str; 8] = [
    "out of device memory",
    "out-of-memory",
    "out of memory",
    "OutOfMemory",
    "OUT_OF_MEMORY",
    "BufferTooBig",
    "memory allocation",
    "allocate buffer",
];

/// A failure that a stage noticed.
pub(crate) struct Noticed {
    pub(crate) stage: Option<usize>,
    pub(crate) doing: String,
    pub(crate) message: String,
}

/// Where the stages of a failed step were.
pub(crate) struct Scene<'a> {
    pub(crate) workers: &'a Workers,
    pub(crate) homes: &'a [Home],
    pub(crate) devices: &'a [StageDevice],
}

impl Scene<'_> {
    /// Wait no longer for threads that wait for what will not come.
    pub(crate) fn give_up<R>(&self, gathered: &Gathered<R>) {
        for stage in &gathered.silent {
            self.workers.give_up(*stage);
        }
        if self.homes.iter().any(|home| home.time_out().is_some()) {
            // Those that wait for an answer have been told not to.
            self.workers.give_up_carriers(Instant::now() + A_MOMENT);
        }
    }

    /// The device that was lost, if one was: not always that of the stage which noticed first.
    pub(crate) fn lost<R>(&self, gathered: &Gathered<R>, noticed: &Noticed) -> Option<LostDevice> {
        let told = |stage, gone: &Gone| {
            let reason = gone.reason.clone();
            self.gone(stage, gone.label(), reason, noticed)
        };
        if let Some((stage, gone)) = &gathered.dead {
            return Some(told(*stage, gone));
        }
        for (stage, home) in self.homes.iter().enumerate() {
            if let Err(gone) = home.check() {
                return Some(told(stage, &gone));
            }
        }
        let stages = noticed.stage.into_iter().chain(0..self.homes.len());
        let mut forgotten = stages.filter_map(|stage| {
            let device = self.homes[stage].forgotten(&self.devices[stage])?;
            Some((stage, device))
        });
        let (stage, device) = forgotten.next()?;
        let reason = format!(
            "its server answers, and has forgotten this program: it was started again, or failed \
             in what it was told ({})",
            noticed.message
        );
        Some(self.gone(stage, device, reason, noticed))
    }

    fn gone(&self, stage: usize, device: &str, reason: String, noticed: &Noticed) -> LostDevice {
        LostDevice {
            stage,
            device: device.to_string(),
            doing: noticed.doing.clone(),
            message: match noticed.stage {
                Some(first) if first != stage => {
                    format!("{reason} (noticed first by stage {first})")
                }
                _ => reason,
            },
        }
    }

    /// The error of a stage whose device is still there, with the name of the device.
    pub(super) fn failed(&self, error: StageError) -> PipelineError {
        StageError {
            device: self.homes[error.stage].label(),
            message: explained(&error.message),
            ..error
        }
        .into()
    }
}

/// The message, with what helps where a device is full.
pub(crate) fn explained(message: &str) -> String {
    match FULL.iter().any(|full| message.contains(full)) {
        true => format!(
            "{}; the device has too little memory for this stage: use more micro-batches, \
             `Rematerialization::Always`, or a placement with fewer layers on it",
            message.trim_end_matches('.')
        ),
        false => message.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_full_is_told_what_helps() {
        let message = explained("CUDA_ERROR_OUT_OF_MEMORY: out of memory.");
        assert_eq!(
            message,
            "CUDA_ERROR_OUT_OF_MEMORY: out of memory; the device has too little memory for this \
             stage: use more micro-batches, `Rematerialization::Always`, or a placement with fewer \
             layers on it"
        );
        assert_eq!(explained("a shape"), "a shape");
    }
}
