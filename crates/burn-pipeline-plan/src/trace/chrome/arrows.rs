use std::collections::HashMap;

use super::{
    event::{Arrow, Event, Nanoseconds},
    slices::awaited,
    tracks::Process,
};
use crate::{Instruction, Span};

/// From each instruction to the one that waited for its result on another place of the model:
/// both ends of each arrow, numbered from `first_id` on.
///
/// An arrow leaves from the middle of its slice, or earlier if it arrives before that. Slices that
/// are too short for it have none.
pub(super) fn arrows(process: Process, first_id: usize) -> Vec<Event> {
    let timeline = process.panel.timeline;
    let layout = timeline.layout();
    let spans: HashMap<(usize, Instruction), &Span> = timeline
        .spans()
        .map(|it| ((it.stage, it.instruction), it))
        .collect();
    let mut events = Vec::new();
    for span in timeline.spans() {
        let Some(name) = awaited(span.instruction.op()) else {
            continue;
        };
        let Some(producer) = layout
            .waits_for(span.instruction, span.stage)
            .filter(|(_, producer)| producer.op() == span.instruction.op())
            .and_then(|it| spans.get(&it))
        else {
            continue;
        };
        let Some((tail, head)) = ends(process, producer, span) else {
            continue;
        };
        let arrow = Arrow {
            id: first_id + events.len() / 2,
            name,
            cat: name,
        };
        events.push(Event::Tail {
            arrow,
            track: process.track(producer.stage),
            ts: tail,
        });
        events.push(Event::Head {
            arrow,
            bp: 'e',
            track: process.track(span.stage),
            ts: head,
        });
    }
    events
}

/// When an arrow leaves its producer and arrives at its consumer.
fn ends(process: Process, producer: &Span, consumer: &Span) -> Option<(Nanoseconds, Nanoseconds)> {
    let (start, end) = (process.time(producer.start), process.time(producer.end));
    let (head, over) = (process.time(consumer.start), process.time(consumer.end));
    let tail = Nanoseconds(start.0.midpoint(end.0)).min(head);
    (start < tail && tail < end && head < over).then_some((tail, head))
}
