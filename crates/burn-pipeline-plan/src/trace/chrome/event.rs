use serde::{Serialize, Serializer};

use crate::Op;

/// A point in time or a duration, in whole nanoseconds. It is written in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nanoseconds(pub(super) i64);

impl Nanoseconds {
    pub(super) fn of(seconds: f64) -> Self {
        Self((1e9 * seconds).round() as i64)
    }
}

impl Serialize for Nanoseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1e3)
    }
}

/// The row that an event is of: a timeline, and one of its stages.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Track {
    pub(super) pid: usize,
    pub(super) tid: usize,
}

/// An event of Chrome's Trace Event Format.
#[derive(Debug, Serialize)]
#[serde(tag = "ph")]
pub(super) enum Event {
    /// What a process or a thread is called, or where it stands.
    #[serde(rename = "M")]
    Metadata {
        name: &'static str,
        #[serde(flatten)]
        track: Track,
        args: Metadata,
    },
    /// An instruction.
    #[serde(rename = "X")]
    Slice {
        name: String,
        cat: Op,
        #[serde(flatten)]
        track: Track,
        ts: Nanoseconds,
        dur: Nanoseconds,
        args: SliceArgs,
    },
    /// Where an arrow begins.
    #[serde(rename = "s")]
    Tail {
        #[serde(flatten)]
        arrow: Arrow,
        #[serde(flatten)]
        track: Track,
        ts: Nanoseconds,
    },
    /// Where an arrow ends: `bp` binds it to the slice around it, not to the next one.
    #[serde(rename = "f")]
    Head {
        #[serde(flatten)]
        arrow: Arrow,
        bp: char,
        #[serde(flatten)]
        track: Track,
        ts: Nanoseconds,
    },
    /// A level from a time on.
    #[serde(rename = "C")]
    Counter {
        name: String,
        #[serde(flatten)]
        track: Track,
        ts: Nanoseconds,
        args: Level,
    },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Metadata {
    Name { name: String },
    SortIndex { sort_index: usize },
}

#[derive(Debug, Serialize)]
pub(super) struct SliceArgs {
    pub(super) micro_batch: usize,
    pub(super) chunk: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) moving_us: Option<Nanoseconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waited_us: Option<Nanoseconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waited_for: Option<&'static str>,
}

/// What is the same at both ends of an arrow.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Arrow {
    pub(super) id: usize,
    pub(super) name: &'static str,
    pub(super) cat: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) enum Level {
    #[serde(rename = "micro-batches")]
    MicroBatches(isize),
    #[serde(rename = "bytes")]
    Bytes(u64),
}
