use burn::tensor::{Bool, Int, Tensor};

use super::Skip;

/// What flows from one layer to the next: a tensor, or any structure of tensors.
///
/// Implemented for float, int and bool tensors of every rank, `()`, `Option`, `Vec`, arrays and
/// tuples of signals, and [`Skip`]; [`#[derive(Signal)]`](derive@crate::Signal) implements it for structs and
/// enums of them. A signal only has to show its tensors, in a fixed order: everything else that a
/// pipeline does with it (splitting into micro-batches, moving to another device, pulling
/// gradients back) follows from that.
///
/// The first dimension of every tensor is the sample: a mini-batch is split along it. Only float
/// tensors carry gradients.
///
/// [`visit`](Signal::visit) and [`map`](Signal::map) must reach the same tensors in the same
/// order.
pub trait Signal: Clone + Send + 'static {
    /// Show every tensor to `visitor`, in a fixed order.
    fn visit<V: SignalVisitor>(&self, visitor: &mut V);

    /// Replace every tensor by what `mapper` makes of it, in the order of [`visit`](Signal::visit).
    fn map<M: SignalMapper>(self, mapper: &mut M) -> Self;
}

/// Sees the tensors of a [`Signal`], one after the other.
pub trait SignalVisitor {
    /// Visit a float tensor.
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>);
    /// Visit an int tensor.
    fn visit_int<const D: usize>(&mut self, tensor: &Tensor<D, Int>);
    /// Visit a bool tensor.
    fn visit_bool<const D: usize>(&mut self, tensor: &Tensor<D, Bool>);
    /// Visit a skip: its tensors on the stage that looks at them, as by [`Skip::get`].
    fn visit_skip<T: Signal>(&mut self, skip: &Skip<T>)
    where
        Self: Sized,
    {
        skip.get().visit(self);
    }
}

/// Replaces the tensors of a [`Signal`], one after the other.
pub trait SignalMapper {
    /// Map a float tensor.
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D>;
    /// Map an int tensor.
    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int>;
    /// Map a bool tensor.
    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool>;
    /// Map a skip: a new one, from the stage that maps it, of its tensors there, as by
    /// [`Skip::get`].
    fn map_skip<T: Signal>(&mut self, skip: Skip<T>) -> Skip<T>
    where
        Self: Sized,
    {
        Skip::new(skip.get().map(self))
    }
}
