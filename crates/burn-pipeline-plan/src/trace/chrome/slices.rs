use super::{
    event::{Event, Nanoseconds, SliceArgs},
    tracks::Process,
};
use crate::{Op, Span};

/// What a stage waits for before an operation.
pub(super) fn awaited(op: Op) -> Option<&'static str> {
    match op {
        Op::Forward => Some("boundary"),
        Op::Recompute => None,
        Op::Backward => Some("gradient"),
    }
}

/// The instructions of a stage. Times are rounded before they are subtracted: neighbours touch,
/// and never overlap.
pub(super) fn slices(process: Process, stage: usize) -> impl Iterator<Item = Event> {
    let timeline = process.panel.timeline;
    let mut until = Nanoseconds(0);
    timeline.stage(stage).map(move |span| {
        let (start, end) = (process.time(span.start), process.time(span.end));
        let waited = Nanoseconds(start.0 - until.0);
        until = until.max(end);
        Event::Slice {
            name: span.instruction.to_string(),
            cat: span.instruction.op(),
            track: process.track(stage),
            ts: start,
            dur: Nanoseconds(end.0 - start.0),
            args: args(span, waited),
        }
    })
}

fn args(span: &Span, waited: Nanoseconds) -> SliceArgs {
    let moving = Nanoseconds::of(span.moving.into());
    let waited_for = awaited(span.instruction.op()).filter(|_| waited.0 > 0);
    SliceArgs {
        micro_batch: span.instruction.micro_batch(),
        chunk: span.instruction.chunk(),
        moving_us: (moving.0 > 0).then_some(moving),
        waited_us: waited_for.map(|_| waited),
        waited_for,
    }
}
