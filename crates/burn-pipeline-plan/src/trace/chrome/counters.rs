use super::{
    super::panel::label,
    event::{Event, Level, Nanoseconds},
    tracks::Process,
};
use crate::Op;

/// How many micro-batches a stage has in flight over time, each counted once for every chunk.
///
/// Nothing is in flight where nothing runs backward.
pub(super) fn in_flight(process: Process, stage: usize) -> Vec<Event> {
    let spans = process.panel.timeline.stage(stage);
    let mut changes: Vec<(Nanoseconds, isize)> = spans
        .filter_map(|span| match span.instruction.op() {
            Op::Forward => Some((process.time(span.start), 1)),
            Op::Recompute => None,
            Op::Backward => Some((process.time(span.end), -1)),
        })
        .collect();
    if changes.iter().all(|&(_, change)| change > 0) {
        return Vec::new();
    }
    changes.sort();
    let levels = changes.into_iter().scan(0, |level, (time, change)| {
        *level += change;
        Some((time, Level::MicroBatches(*level)))
    });
    counter(process, stage, "in flight", levels.collect())
}

/// How many bytes a stage keeps over time.
pub(super) fn kept(process: Process, stage: usize, levels: &[(f64, u64)]) -> Vec<Event> {
    let levels = levels.iter();
    let levels = levels.map(|&(time, bytes)| (process.time(time), Level::Bytes(bytes)));
    counter(process, stage, "kept", levels.collect())
}

/// A counter at each time that its level changes: the last of several levels at one time.
fn counter(
    process: Process,
    stage: usize,
    what: &str,
    levels: Vec<(Nanoseconds, Level)>,
) -> Vec<Event> {
    let same_time = levels.chunk_by(|a, b| a.0 == b.0);
    same_time
        .filter_map(|levels| levels.last())
        .map(|&(ts, args)| Event::Counter {
            name: format!("{} {what}", label(stage)),
            track: process.track(stage),
            ts,
            args,
        })
        .collect()
}
