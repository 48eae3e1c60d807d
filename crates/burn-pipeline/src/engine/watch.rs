//! An eye on the servers while a step runs: one that is frozen, or cut off, ends nothing.

use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::home::Home;

/// How often reports are looked for.
pub(super) const LOOK_UP: Duration = Duration::from_millis(50);
/// How long stages may be silent before their servers are asked.
const SILENCE: Duration = Duration::from_secs(1);

pub(super) struct Watch<'a> {
    homes: &'a [Home],
    reported: Vec<bool>,
    asked: Instant,
    cancelled: Option<Instant>,
    /// The first stage whose server did not answer, and why.
    pub(super) dead: Option<(usize, String)>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(homes: &'a [Home]) -> Self {
        Self {
            homes,
            reported: vec![false; homes.len()],
            asked: Instant::now(),
            cancelled: None,
            dead: None,
        }
    }

    /// Where servers are, one of them may leave a stage waiting: it is told. Elsewhere a stage that
    /// fails drops its ends of the channels, and each that waits learns of it in turn.
    pub(super) fn failed(&self, cancel: &Cancel) {
        if self.time_out().is_some() {
            cancel.say();
        }
    }

    pub(super) fn reported(&mut self, stage: usize) {
        self.reported[stage] = true;
    }

    /// The longest that any server of the pipeline may take to answer; none without servers.
    pub(super) fn time_out(&self) -> Option<Duration> {
        self.homes.iter().filter_map(Home::time_out).max()
    }

    /// Whether to wait on for reports.
    pub(super) fn goes_on(&mut self, cancel: &Cancel) -> bool {
        let Some(time_out) = self.time_out() else {
            return true;
        };
        if cancel.is_said() {
            let since = *self.cancelled.get_or_insert_with(Instant::now);
            // Layers that run end in their time; what a server never answers does not.
            let only_the_dead = self.dead.as_ref().is_some_and(|_| {
                let mut silent = self.silent().into_iter();
                silent.all(|stage| self.homes[stage].check().is_err())
            });
            return !only_the_dead && since.elapsed() < 2 * time_out;
        }
        if self.asked.elapsed() < SILENCE {
            return true;
        }
        for stage in self.silent() {
            if let Err(reason) = self.homes[stage].check() {
                self.dead = Some((stage, reason));
                cancel.say();
                break;
            }
        }
        self.asked = Instant::now();
        true
    }

    /// The stages that have not reported.
    pub(super) fn silent(&self) -> Vec<usize> {
        let stages = self.reported.iter().enumerate();
        stages
            .filter(|(_, reported)| !**reported)
            .map(|(stage, _)| stage)
            .collect()
    }
}
