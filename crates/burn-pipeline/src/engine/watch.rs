//! An eye on the servers while reports are awaited: one that is frozen, or cut off, ends nothing.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::home::{Gone, Home};

/// How often the servers are thought of.
const LOOK_UP: Duration = Duration::from_millis(50);
/// How long stages may be silent before their servers are asked.
const SILENCE: Duration = Duration::from_secs(1);

/// The reports of all stages, or of those that could still give one.
pub(crate) struct Gathered<R> {
    pub(crate) reports: Vec<(usize, R)>,
    /// The stages that are not waited for any longer.
    pub(crate) silent: Vec<usize>,
    /// The first stage of which a server did not answer.
    pub(crate) dead: Option<(usize, Gone)>,
}

/// Wait for one report of each stage. `failed` tells the reports of failures: where servers are,
/// one of them may leave other stages waiting, so these are told as well. Elsewhere a stage that
/// fails drops its ends of the channels, and each that waits learns of it in turn.
pub(crate) fn gather<R>(
    reports: &Receiver<(usize, R)>,
    homes: &[Home],
    cancel: &Cancel,
    failed: impl Fn(&R) -> bool,
) -> Gathered<R> {
    let time_out = homes.iter().filter_map(Home::time_out).max();
    let mut gathered = Gathered {
        reports: Vec::with_capacity(homes.len()),
        silent: (0..homes.len()).collect(),
        dead: None,
    };
    let mut asked = Instant::now();
    let mut cancelled: Option<Instant> = None;
    loop {
        match reports.recv_timeout(LOOK_UP) {
            Ok((stage, report)) => {
                if failed(&report) && time_out.is_some() {
                    cancel.say();
                }
                gathered.silent.retain(|silent| *silent != stage);
                gathered.reports.push((stage, report));
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let Some(time_out) = time_out else {
            continue;
        };
        if cancel.is_said() {
            let since = *cancelled.get_or_insert_with(Instant::now);
            if gathered.dead.is_none() && since.elapsed() > SILENCE {
                gathered.dead = first_dead(homes, &gathered.silent);
            }
            // Layers that run end in their time; what a server never answers does not.
            if let Some((_, gone)) = &gathered.dead {
                let with_it = |stage: &usize| homes[*stage].is_with(gone);
                if gathered.silent.iter().all(with_it) || since.elapsed() > 2 * time_out {
                    break;
                }
            }
        } else if asked.elapsed() > SILENCE {
            gathered.dead = first_dead(homes, &gathered.silent);
            if gathered.dead.is_some() {
                cancel.say();
            }
            asked = Instant::now();
        }
    }
    gathered.reports.sort_by_key(|(stage, _)| *stage);
    gathered
}

/// The first of `stages` of which a server does not answer.
fn first_dead(homes: &[Home], stages: &[usize]) -> Option<(usize, Gone)> {
    stages.iter().find_map(|stage| {
        let gone = homes[*stage].check().err()?;
        Some((*stage, gone))
    })
}
