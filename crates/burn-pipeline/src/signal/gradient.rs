//! The gradients of a signal, and how a stage pulls them back through its own graph.

use std::any::Any;
use std::collections::VecDeque;

use burn::tensor::{Bool, Gradients, Int, Tensor};

use super::{Signal, SignalVisitor, StageDevice};

/// One entry per float tensor of a signal, in the order of [`Signal::visit`]: its gradient,
/// without autodiff, or nothing where none arrived.
#[derive(Default)]
pub(crate) struct FloatGradients(VecDeque<Option<Box<dyn Any + Send>>>);

impl FloatGradients {
    /// The gradients that a backward pass left at `leaves`.
    pub(crate) fn of_leaves<S: Signal>(leaves: &S, gradients: &mut Gradients) -> Self {
        let mut taker = Taker {
            gradients,
            taken: Self::default(),
        };
        leaves.visit(&mut taker);
        taker.taken
    }

    /// The gradients that arrived for `outputs`, on the device of `stage`.
    pub(crate) fn receive<S: Signal>(self, outputs: &S, stage: &StageDevice) -> Self {
        let mut receive = Receive {
            arrived: self,
            stage,
            received: Self::default(),
        };
        outputs.visit(&mut receive);
        receive.received
    }

    /// The scalar whose gradient with respect to each output is the gradient that arrived for it:
    /// the sum of `output * gradient`. Nothing, when no gradient reaches a tracked output.
    pub(crate) fn root<S: Signal>(self, outputs: &S) -> Option<Tensor<1>> {
        let mut root = Root {
            gradients: self,
            sum: None,
        };
        outputs.visit(&mut root);
        root.sum
    }
}

/// The sum of every tracked float tensor of `signal`, or nothing when there is none.
pub(crate) fn sum_of_floats<S: Signal>(signal: &S) -> Option<Tensor<1>> {
    let mut sum = SumOfFloats(None);
    signal.visit(&mut sum);
    sum.0
}

fn add(sum: &mut Option<Tensor<1>>, term: Tensor<1>) {
    *sum = Some(match sum.take() {
        Some(sum) => sum + term,
        None => term,
    });
}

struct Taker<'a> {
    gradients: &'a mut Gradients,
    taken: FloatGradients,
}

impl SignalVisitor for Taker<'_> {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        let gradient = tensor.grad_remove(self.gradients);
        self.taken
            .0
            .push_back(gradient.map(|gradient| Box::new(gradient) as Box<dyn Any + Send>));
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}
}

impl FloatGradients {
    /// The gradient of the next tensor, if one arrived and the tensor has a history to pull it
    /// back through.
    fn next<const D: usize>(&mut self, tensor: &Tensor<D>) -> Option<Tensor<D>> {
        let gradient = self.0.pop_front().flatten()?;
        tensor.is_tracked().then(|| {
            *gradient
                .downcast::<Tensor<D>>()
                .expect("the gradients of a boundary come in the order of its tensors")
        })
    }
}

struct Receive<'a> {
    arrived: FloatGradients,
    stage: &'a StageDevice,
    received: FloatGradients,
}

impl SignalVisitor for Receive<'_> {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        let gradient = self.arrived.next(tensor);
        let gradient = gradient.map(|gradient| self.stage.plain_tensor(gradient));
        self.received
            .0
            .push_back(gradient.map(|gradient| Box::new(gradient) as Box<dyn Any + Send>));
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}
}

struct Root {
    gradients: FloatGradients,
    sum: Option<Tensor<1>>,
}

impl SignalVisitor for Root {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        if let Some(gradient) = self.gradients.next(tensor) {
            add(&mut self.sum, (tensor.clone() * gradient).sum());
        }
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}
}

struct SumOfFloats(Option<Tensor<1>>);

impl SignalVisitor for SumOfFloats {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        if tensor.is_tracked() {
            add(&mut self.0, tensor.clone().sum());
        }
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}
}
