//! Visitors and mappers that treat tensors of every kind alike.

use burn::tensor::kind::Autodiff;
use burn::tensor::{Bool, Int, Tensor};

use super::{Signal, SignalMapper, SignalVisitor, Skip};

pub(crate) trait TensorVisitor {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>);
}

pub(crate) trait TensorMapper {
    fn map_tensor<const D: usize, K: Autodiff + 'static>(
        &mut self,
        tensor: Tensor<D, K>,
    ) -> Tensor<D, K>;
}

/// A [`TensorVisitor`] as a [`SignalVisitor`], or a [`TensorMapper`] as a [`SignalMapper`]. What is
/// in a skip is looked at where it was made, and moves nowhere.
pub(crate) struct Uniform<T>(pub(crate) T);

impl<T: TensorVisitor> SignalVisitor for Uniform<T> {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        self.0.visit_tensor(tensor);
    }

    fn visit_int<const D: usize>(&mut self, tensor: &Tensor<D, Int>) {
        self.0.visit_tensor(tensor);
    }

    fn visit_bool<const D: usize>(&mut self, tensor: &Tensor<D, Bool>) {
        self.0.visit_tensor(tensor);
    }

    fn visit_skip<S: Signal>(&mut self, skip: &Skip<S>) {
        skip.value().visit(self);
    }
}

impl<T: TensorMapper> SignalMapper for Uniform<T> {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        self.0.map_tensor(tensor)
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        self.0.map_tensor(tensor)
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        self.0.map_tensor(tensor)
    }

    fn map_skip<S: Signal>(&mut self, skip: Skip<S>) -> Skip<S> {
        skip.map_value(self)
    }
}
