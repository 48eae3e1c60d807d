//! For each stage, the ordered list of its instructions.

mod base;
mod breadth_first;
mod complete;
mod csv;
mod deadlock;
mod drawing;
mod error;
mod execute;
mod forward_only;
mod gpipe;
mod groups;
mod instruction;
mod interleaved;
mod kind;
mod layout;
mod one_forward_one_backward;
mod rematerialize;
mod text;
mod validate;
mod view;
mod warm_up;

#[cfg(test)]
mod proof;

pub use base::Schedule;
pub use error::{CellFault, ScheduleError, Wait};
pub use forward_only::forward_only;
pub use instruction::{Instruction, Op};
pub use kind::ScheduleKind;
pub use rematerialize::{Rematerialization, rematerialize};
pub use validate::validate;

pub(crate) use execute::{Clock, Slots};
pub(crate) use layout::Layout;
pub(crate) use validate::{check_not_empty, validate_running};
