//! The schedule, run: one worker per stage, an interpreter on each.
//!
//! ```text
//!  caller          worker of stage s-1       worker of stage s        worker of stage s+1
//!    │ 1 job ──────────►│──────────────────────►│──────────────────────►│
//!    │                  │ 2 boundary (plain) ──►│ 3 leaves, layers      │
//!    │                  │                       │ 4 boundary (plain) ──►│ 5 loss
//!    │                  │                       │◄── 6 gradient (plain) │
//!    │                  │◄── 7 gradient (plain) │                       │
//!    │◄─ 8 report ──────│◄──────────────────────│◄──────────────────────│
//! ```
//!
//! Between devices, a carrier moves what is sent (2, 4, 6, 7) while the workers go on.
//! Only plain tensors cross a thread (2, 4, 6, 7), flushed by the sender first. A worker that fails
//! or cannot go on drops its ends of the channels, so its neighbours stop as well; each sends
//! exactly one report (8), whatever happens, and keeps nothing of the step.

mod cancel;
mod carrier;
mod chunk;
mod gradients;
mod home;
mod inbox;
mod infer;
mod kept;
mod layers;
mod post_mortem;
mod report;
mod stage;
mod step;
mod task;
mod watch;
mod worker;

pub(crate) use cancel::Cancel;
pub(crate) use chunk::{Arrival, Chunk};
pub(crate) use home::Home;
pub(crate) use inbox::{Inbox, mailbox};
pub(crate) use infer::infer;
pub(crate) use layers::StageLayers;
pub(crate) use post_mortem::{Noticed, Scene, explained};
pub(crate) use report::{Halt, Position};
pub(crate) use step::{Step, train};
pub(crate) use task::{ChunkTask, LossEnd, Sink, Source};
pub(crate) use watch::gather;
pub(crate) use worker::Workers;
