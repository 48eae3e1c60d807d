use super::{
    super::panel::{Panel, Panels, label},
    event::{Event, Metadata, Nanoseconds, Track},
};

/// A timeline as a process whose threads are its stages.
#[derive(Clone, Copy)]
pub(super) struct Process<'a> {
    pub(super) panel: Panel<'a>,
    index: usize,
    pid: usize,
}

impl<'a> Process<'a> {
    /// The processes of a drawing. No pid is also a tid: viewers take such a thread for the main
    /// one.
    pub(super) fn all(panels: &Panels<'a>) -> impl Iterator<Item = Self> {
        let num_stages = panels.num_stages();
        let process = move |(index, panel)| Self {
            panel,
            index,
            pid: num_stages + index + 1,
        };
        panels.iter().enumerate().map(process)
    }

    /// The row of a stage.
    pub(super) fn track(&self, stage: usize) -> Track {
        Track {
            pid: self.pid,
            tid: stage,
        }
    }

    /// A time since the first start.
    pub(super) fn time(&self, seconds: f64) -> Nanoseconds {
        Nanoseconds::of(seconds - self.panel.timeline.start())
    }

    /// What the process and its threads are called, and where they stand.
    pub(super) fn metadata(self) -> impl Iterator<Item = Event> {
        let event = move |stage, name, args| Event::Metadata {
            name,
            track: self.track(stage),
            args,
        };
        let sort_index = |sort_index| Metadata::SortIndex { sort_index };
        let name = self.panel.name.unwrap_or("timeline").to_string();
        let process = [
            event(0, "process_name", Metadata::Name { name }),
            event(0, "process_sort_index", sort_index(self.index)),
        ];
        let threads = (0..self.panel.timeline.num_stages()).flat_map(move |stage| {
            let name = label(stage);
            [
                event(stage, "thread_name", Metadata::Name { name }),
                event(stage, "thread_sort_index", sort_index(stage)),
            ]
        });
        process.into_iter().chain(threads)
    }
}
