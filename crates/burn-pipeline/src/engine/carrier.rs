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

use burn::tensor::Tensor;
use burn_pipeline_plan::{Instruction, Op};

use super::cancel::Cancel;
use super::inbox::Stopped;
use super::worker::Jobs;
use crate::StageError;
use crate::error::message_of;
use crate::signal::{AnySignal, FloatGradients, StageDevice};

/// What is carried: boundaries, and the gradients of boundaries.
pub(crate) trait Cargo: Send + 'static {
    /// What the stages at both ends do with it.
    const OP: Op;

    /// The same on the device of the stage that it goes to.
    fn arrive(self, stage: &StageDevice) -> Self;

    /// A number of it, where the sender's device has to be asked whether it could be computed.
    fn witness(&self, stage: &StageDevice) -> Option<Tensor<1>>;
}

impl Cargo for AnySignal {
    const OP: Op = Op::Forward;

    fn arrive(self, stage: &StageDevice) -> Self {
        // The sender's worker holds these tensors too. Burn decides which of two threads is the last
        // to use one before it tells the server, so the other's word could come first: held until
        // the server has been told, they are not let go by the worker.
        let held = self.clone();
        let arrived = self.receive(stage);
        drop(held);
        arrived
    }

    fn witness(&self, stage: &StageDevice) -> Option<Tensor<1>> {
        AnySignal::witness(self, stage)
    }
}

impl Cargo for FloatGradients {
    const OP: Op = Op::Backward;

    fn arrive(self, stage: &StageDevice) -> Self {
        FloatGradients::arrive(self, stage)
    }

    fn witness(&self, stage: &StageDevice) -> Option<Tensor<1>> {
        FloatGradients::witness(self, stage)
    }
}

/// One end of a route: a chunk of a stage.
#[derive(Clone)]
pub(crate) struct End {
    pub(crate) stage: usize,
    pub(crate) chunk: usize,
    pub(crate) device: StageDevice,
}

/// From one stage to the device of another.
pub(crate) struct Route {
    pub(crate) carrier: Jobs,
    pub(crate) from: End,
    pub(crate) to: End,
    pub(crate) cancel: Cancel,
}

impl Route {
    pub(super) fn carry<T: Cargo>(
        &self,
        micro_batch: usize,
        cargo: T,
        deliver: impl FnOnce(Result<T, Box<StageError>>) + Send + 'static,
    ) -> Result<(), Stopped> {
        let (from, to, cancel) = (self.from.clone(), self.to.clone(), self.cancel.clone());
        let carry = move || {
            let instruction = Instruction::new(T::OP, micro_batch);
            let sent = attempt(&from, instruction, || {
                let witness = cargo.witness(&from.device);
                from.device.finish(witness, || !cancel.is_said())
            });
            let carried = sent.and_then(|()| {
                attempt(&to, instruction, || {
                    let arrived = cargo.arrive(&to.device);
                    to.device.flush().map(|()| arrived)
                })
            });
            if !cancel.is_said() {
                deliver(carried);
            }
        };
        match self.carrier.start(Box::new(carry)) {
            true => Ok(()),
            false => Err(Stopped::Elsewhere),
        }
    }
}

/// Do `work`, whose failure is that of `end`.
fn attempt<T>(
    end: &End,
    instruction: Instruction,
    work: impl FnOnce() -> Result<T, String>,
) -> Result<T, Box<StageError>> {
    let done = catch_unwind(AssertUnwindSafe(work));
    let done = done.unwrap_or_else(|panic| Err(message_of(panic.as_ref())));
    done.map_err(|message| {
        Box::new(StageError {
            stage: end.stage,
            device: String::new(),
            instruction: instruction.on_chunk(end.chunk),
            layer: None,
            in_loss: false,
            message: format!("between two stages, {message}"),
        })
    })
}
