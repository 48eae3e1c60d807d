//! Boundaries on their way between devices, while the stages compute.
//!
//! ```text
//!  worker of stage s            carrier of stage s+1            worker of stage s+1
//!    │ 1 boundary, flushed ────────►│                              │ (computes)
//!    │ (goes on)                    │ 2 is the sender alive?       │
//!    │                              │ 3 to the receiver's device   │
//!    │                              │ 4 boundary, flushed ────────►│ 5 layers
//! ```
//!
//! A move between backends blocks the thread that asks for it until the sender's device has
//! computed (3), and so does the question whether another machine is still there (2): neither is
//! for a worker, which has layers to run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn_pipeline_plan::{Instruction, Op};

use super::inbox::Stopped;
use super::report::message_of;
use super::worker::Jobs;
use crate::StageError;
use crate::signal::{AnySignal, FloatGradients, StageDevice};

/// What is carried: boundaries, and the gradients of boundaries.
pub(crate) trait Cargo: Send + 'static {
    /// What a stage does to send it.
    const OP: Op;

    /// The same on the device of the stage that it goes to.
    fn arrive(self, stage: &StageDevice) -> Self;
}

impl Cargo for AnySignal {
    const OP: Op = Op::Forward;

    fn arrive(self, stage: &StageDevice) -> Self {
        self.receive(stage)
    }
}

impl Cargo for FloatGradients {
    const OP: Op = Op::Backward;

    fn arrive(self, stage: &StageDevice) -> Self {
        FloatGradients::arrive(self, stage)
    }
}

/// From the chunk of a stage to the device of another.
pub(crate) struct Route {
    pub(crate) carrier: Jobs,
    pub(crate) stage: usize,
    pub(crate) chunk: usize,
    pub(crate) from: StageDevice,
    pub(crate) to: StageDevice,
}

impl Route {
    pub(super) fn carry<T: Cargo>(
        &self,
        micro_batch: usize,
        cargo: T,
        deliver: impl FnOnce(Result<T, Box<StageError>>) + Send + 'static,
    ) -> Result<(), Stopped> {
        let (stage, from, to) = (self.stage, self.from.clone(), self.to.clone());
        let instruction = Instruction::new(T::OP, micro_batch).on_chunk(self.chunk);
        let carry = move || {
            let carried = catch_unwind(AssertUnwindSafe(|| {
                from.prove_alive()?;
                let arrived = cargo.arrive(&to);
                to.flush().map(|()| arrived)
            }));
            let carried = carried.unwrap_or_else(|panic| Err(message_of(panic.as_ref())));
            deliver(carried.map_err(|message| {
                Box::new(StageError {
                    stage,
                    device: String::new(),
                    instruction,
                    layer: None,
                    in_loss: false,
                    device_lost: false,
                    message: format!("what it sends on is lost: {message}"),
                })
            }));
        };
        match self.carrier.start(Box::new(carry)) {
            true => Ok(()),
            false => Err(Stopped::Elsewhere),
        }
    }
}
