//! What flows from one layer to the next.

mod base;
mod batch;
mod boundary;
mod containers;
mod erased;
mod gradient;
mod member;
mod size;
mod skip;
mod tensor;
mod uniform;
mod witness;

pub use base::{Signal, SignalMapper, SignalVisitor};
pub use erased::AnySignal;
pub use skip::Skip;

pub(crate) use batch::{BatchShape, batch_size, concat, concat_along, narrow};
pub(crate) use boundary::{StageDevice, flush, plain};
pub(crate) use gradient::{FloatGradients, Passing, sum_of_floats};
pub(crate) use member::Member;
pub(crate) use size::num_bytes;
pub(crate) use skip::at_home;
pub(crate) use uniform::{TensorMapper, TensorVisitor, Uniform};
pub(crate) use witness::Witness;
