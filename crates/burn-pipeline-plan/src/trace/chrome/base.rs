use std::fmt;

use super::{
    super::panel::{Panel, Panels},
    arrows::arrows,
    counters::{in_flight, kept},
    event::Event,
    slices::slices,
    tracks::Process,
};
use crate::{Memory, Timeline};

/// Timelines as a trace that <https://ui.perfetto.dev> and `chrome://tracing` open, in Chrome's
/// Trace Event Format.
///
/// A timeline is a process, a stage is a thread of it, an instruction a slice. A slice knows its
/// micro-batch and its chunk, how long the stage waited before it and for what, and how much of it
/// moved data. An arrow leads from each instruction to the one that waited for its boundary or its
/// gradient. A counter per stage says how many micro-batches are in flight. Times are in
/// microseconds since the first start of their timeline, to the nanosecond. A viewer drops a slice
/// that overlaps another of its stage.
///
/// ```
/// use burn_pipeline_plan::{ChromeTrace, Cost, Costs, ScheduleKind, simulate};
///
/// let costs = Costs::equal(Cost {
///     forward: 0.010,
///     backward: 0.020,
///     activation_bytes: 1 << 20,
///     ..Cost::default()
/// });
/// let timeline = simulate(&ScheduleKind::GPipe.schedule(2, 4)?, &costs)?.timeline;
/// let trace = ChromeTrace::new(&timeline).with_memory(&[&costs.memory(&timeline)]).to_string();
/// let trace: serde_json::Value = serde_json::from_str(&trace)?;
/// assert_eq!(trace["displayTimeUnit"], "ms");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChromeTrace<'a> {
    panels: Panels<'a>,
    /// For each timeline, what its stages keep.
    memories: Vec<Vec<&'a [(f64, u64)]>>,
}

impl<'a> ChromeTrace<'a> {
    /// A trace of a timeline.
    pub fn new(timeline: &'a Timeline) -> Self {
        Self {
            panels: Panels::one(timeline),
            memories: Vec::new(),
        }
    }

    /// A trace of timelines one above the other, each under its name. Each begins at zero.
    pub fn of(timelines: &[(&'a str, &'a Timeline)]) -> Self {
        Self {
            panels: Panels::of(timelines),
            memories: Vec::new(),
        }
    }

    /// The same with a counter for each stage of the bytes that it keeps for its backward passes.
    ///
    /// # Panics
    ///
    /// If there is not one memory for each timeline, of as many stages.
    pub fn with_memory(self, memories: &[&'a Memory]) -> Self {
        let (found, expected) = (memories.len(), self.panels.iter().len());
        assert_eq!(
            found, expected,
            "memories of {found} timelines for a trace of {expected}"
        );
        let levels = |(panel, &memory): (Panel, &&'a Memory)| {
            let stages = 0..panel.timeline.num_stages();
            stages.map(|stage| memory.levels(stage)).collect()
        };
        Self {
            memories: self.panels.iter().zip(memories).map(levels).collect(),
            ..self
        }
    }

    /// Slices before the arrows: a viewer drops an arrow whose slice it does not know yet.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut num_arrows = 0;
        for (index, process) in Process::all(&self.panels).enumerate() {
            let stages = 0..process.panel.timeline.num_stages();
            events.extend(process.metadata());
            events.extend(stages.clone().flat_map(|stage| slices(process, stage)));
            let arrows = arrows(process, num_arrows);
            num_arrows += arrows.len() / 2;
            events.extend(arrows);
            for stage in stages {
                events.extend(in_flight(process, stage));
                if let Some(memory) = self.memories.get(index) {
                    events.extend(kept(process, stage, memory[stage]));
                }
            }
        }
        events
    }
}

impl fmt::Display for ChromeTrace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"traceEvents\":[")?;
        for (index, event) in self.events().iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let json = serde_json::to_string(event).map_err(|_| fmt::Error)?;
            write!(f, "{comma}\n{json}")?;
        }
        write!(f, "\n],\"displayTimeUnit\":\"ms\"}}")
    }
}
