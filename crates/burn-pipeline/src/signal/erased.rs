use std::any::Any;

use burn::tensor::{Gradients, Tensor};

use super::boundary::witness;
use super::size::{copied, num_bytes};
use super::{FloatGradients, Passing, Signal, StageDevice, plain, sum_of_floats};

/// A [`Signal`] of a type that only the two layers beside it know.
///
/// The stages of a pipeline differ in what they send, and the engine between them need not know:
/// a layer takes its own type out again. A sequence of layers of matching types never meets a
/// signal of another type, which [`Sequential`](crate::Sequential) checks when it compiles.
pub struct AnySignal(Box<dyn Erased>);

impl AnySignal {
    /// Forget the type of `signal`.
    pub fn new<S: Signal>(signal: S) -> Self {
        Self(Box::new(signal))
    }

    /// Take the signal out again.
    ///
    /// # Panics
    ///
    /// When it is not of type `S`.
    pub fn into_signal<S: Signal>(self) -> S {
        *self
            .0
            .into_any()
            .downcast::<S>()
            .unwrap_or_else(|_| panic!("a layer got a signal that is not its input type"))
    }

    pub(crate) fn into_plain(self) -> Self {
        self.0.into_plain()
    }

    pub(crate) fn receive(self, stage: &StageDevice) -> Self {
        self.0.receive(stage)
    }

    /// The bytes of all tensors, those in skips too.
    pub(crate) fn num_bytes(&self) -> u64 {
        self.0.num_bytes()
    }

    /// The same without autodiff, in memory that nothing else holds.
    pub(crate) fn copied(&self) -> Self {
        self.0.copied()
    }

    pub(crate) fn cast(self, stage: &StageDevice) -> Self {
        self.0.cast(stage)
    }

    pub(crate) fn into_leaves(self, stage: &StageDevice, require_grad: bool) -> Self {
        self.0.into_leaves(stage, require_grad)
    }

    pub(crate) fn gradients(
        &self,
        gradients: Option<&mut Gradients>,
        passing: Passing,
        stage: &StageDevice,
    ) -> FloatGradients {
        self.0.gradients(gradients, passing, stage)
    }

    pub(crate) fn receive_gradients(
        &self,
        gradients: FloatGradients,
        stage: &StageDevice,
    ) -> (FloatGradients, Passing) {
        self.0.receive_gradients(gradients, stage)
    }

    pub(crate) fn root(&self, gradients: FloatGradients) -> Option<Tensor<1>> {
        self.0.root(gradients)
    }

    pub(crate) fn sum_of_floats(&self) -> Option<Tensor<1>> {
        self.0.sum_of_floats()
    }

    /// A number of a tensor in the signal, where the device has to be asked whether it could be
    /// computed.
    pub(crate) fn witness(&self, stage: &StageDevice) -> Option<Tensor<1>> {
        self.0.witness(stage)
    }
}

impl Clone for AnySignal {
    fn clone(&self) -> Self {
        self.0.duplicate()
    }
}

impl core::fmt::Debug for AnySignal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AnySignal")
    }
}

trait Erased: Send {
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn duplicate(&self) -> AnySignal;
    fn into_plain(self: Box<Self>) -> AnySignal;
    fn receive(self: Box<Self>, stage: &StageDevice) -> AnySignal;
    fn num_bytes(&self) -> u64;
    fn copied(&self) -> AnySignal;
    fn cast(self: Box<Self>, stage: &StageDevice) -> AnySignal;
    fn into_leaves(self: Box<Self>, stage: &StageDevice, require_grad: bool) -> AnySignal;
    fn gradients(
        &self,
        gradients: Option<&mut Gradients>,
        passing: Passing,
        stage: &StageDevice,
    ) -> FloatGradients;
    fn receive_gradients(
        &self,
        gradients: FloatGradients,
        stage: &StageDevice,
    ) -> (FloatGradients, Passing);
    fn root(&self, gradients: FloatGradients) -> Option<Tensor<1>>;
    fn sum_of_floats(&self) -> Option<Tensor<1>>;
    fn witness(&self, stage: &StageDevice) -> Option<Tensor<1>>;
}

impl<S: Signal> Erased for S {
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn duplicate(&self) -> AnySignal {
        AnySignal::new(self.clone())
    }

    fn into_plain(self: Box<Self>) -> AnySignal {
        AnySignal::new(plain(*self))
    }

    fn receive(self: Box<Self>, stage: &StageDevice) -> AnySignal {
        AnySignal::new(stage.receive(*self))
    }

    fn num_bytes(&self) -> u64 {
        num_bytes(self)
    }

    fn copied(&self) -> AnySignal {
        AnySignal::new(copied(self.clone()))
    }

    fn cast(self: Box<Self>, stage: &StageDevice) -> AnySignal {
        AnySignal::new(stage.cast_signal(*self))
    }

    fn into_leaves(self: Box<Self>, stage: &StageDevice, require_grad: bool) -> AnySignal {
        AnySignal::new(stage.leaves(*self, require_grad))
    }

    fn gradients(
        &self,
        gradients: Option<&mut Gradients>,
        passing: Passing,
        stage: &StageDevice,
    ) -> FloatGradients {
        FloatGradients::of_leaves(self, gradients, passing, stage)
    }

    fn receive_gradients(
        &self,
        gradients: FloatGradients,
        stage: &StageDevice,
    ) -> (FloatGradients, Passing) {
        gradients.receive(self, stage)
    }

    fn root(&self, gradients: FloatGradients) -> Option<Tensor<1>> {
        gradients.root(self)
    }

    fn sum_of_floats(&self) -> Option<Tensor<1>> {
        sum_of_floats(self)
    }

    fn witness(&self, stage: &StageDevice) -> Option<Tensor<1>> {
        witness(self, stage)
    }
}
