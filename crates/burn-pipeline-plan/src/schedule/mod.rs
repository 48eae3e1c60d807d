//! For each stage, the ordered list of its instructions.

mod base;
mod complete;
mod deadlock;
mod error;
mod forward_only;
mod gpipe;
mod instruction;
mod kind;
mod rematerialize;
mod slots;
mod text;
mod validate;
mod wait;

pub use base::Schedule;
pub use error::ScheduleError;
pub use forward_only::forward_only;
pub use instruction::{Instruction, Op};
pub use kind::ScheduleKind;
pub use rematerialize::{Rematerialization, rematerialize};
pub use validate::validate;

pub(crate) use validate::validated_slots;
