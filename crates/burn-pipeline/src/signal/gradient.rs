//! The gradients of a signal, and how a stage pulls them back through its own graph.

use std::any::Any;
use std::collections::{HashMap, VecDeque};

use burn::tensor::{Bool, Gradients, Int, Tensor};

use super::{Signal, SignalVisitor, Skip, StageDevice};

/// The gradient of each float tensor of a signal, in the order of [`Signal::visit`], without
/// autodiff.
#[derive(Default)]
pub(crate) struct FloatGradients(VecDeque<Entry>);

enum Entry {
    /// Of a tensor; nothing where none arrived.
    Float(Option<Box<dyn AnyTensor>>),
    /// Of the tensors in a skip, still on the devices where they were made.
    Skip(FloatGradients),
}

/// A float tensor of any rank.
trait AnyTensor: Send {
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn receive(self: Box<Self>, stage: &StageDevice) -> Box<dyn AnyTensor>;
    fn witness(&self, stage: &StageDevice) -> Option<Tensor<1>>;
}

impl<const D: usize> AnyTensor for Tensor<D> {
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn receive(self: Box<Self>, stage: &StageDevice) -> Box<dyn AnyTensor> {
        Box::new(stage.receive(*self))
    }

    fn witness(&self, stage: &StageDevice) -> Option<Tensor<1>> {
        stage.witness(self)
    }
}

/// The gradients of skips that another stage made, on their way through this one, by the skips'
/// ids.
#[derive(Default)]
pub(crate) struct Passing(HashMap<u64, FloatGradients>);

impl Passing {
    fn add<T: Signal>(&mut self, skip: &Skip<T>, gradients: FloatGradients, stage: &StageDevice) {
        let gradients = match self.0.remove(&skip.id()) {
            Some(others) => others.plus(gradients, skip.value(), stage),
            None => gradients,
        };
        self.0.insert(skip.id(), gradients);
    }

    fn take<T: Signal>(&mut self, skip: &Skip<T>) -> Option<FloatGradients> {
        self.0.remove(&skip.id())
    }
}

impl FloatGradients {
    /// The gradients that a backward pass left at `leaves`, if there was one, and those of skips
    /// that pass by, which come to `stage` where it has used the skip as well.
    pub(crate) fn of_leaves<S: Signal>(
        leaves: &S,
        gradients: Option<&mut Gradients>,
        passing: Passing,
        stage: &StageDevice,
    ) -> Self {
        let mut taker = Taker {
            gradients,
            passing,
            stage,
            taken: Self::default(),
        };
        leaves.visit(&mut taker);
        taker.taken
    }

    /// The gradients that arrived for `outputs`, on the device of `stage`. Those of skips that
    /// another stage made go on as they are.
    pub(crate) fn receive<S: Signal>(self, outputs: &S, stage: &StageDevice) -> (Self, Passing) {
        let mut receive = Receive {
            arrived: self,
            stage,
            received: Self::default(),
            passing: Passing::default(),
        };
        outputs.visit(&mut receive);
        (receive.received, receive.passing)
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

    /// The gradients on the device of the stage that they go to, but for those of skips, which go
    /// straight to the stages that made them.
    pub(crate) fn arrive(self, stage: &StageDevice) -> Self {
        let entries = self.0.into_iter().map(|entry| match entry {
            Entry::Float(Some(gradient)) => Entry::Float(Some(gradient.receive(stage))),
            other => other,
        });
        Self(entries.collect())
    }

    /// A number of the first that there is: see [`StageDevice::witness`].
    pub(crate) fn witness(&self, stage: &StageDevice) -> Option<Tensor<1>> {
        self.0.iter().find_map(|entry| match entry {
            Entry::Float(Some(gradient)) => gradient.witness(stage),
            _ => None,
        })
    }

    /// The sum of both, tensor by tensor of `signal`, on the devices of these. It is `stage` that
    /// receives the others.
    fn plus<S: Signal>(self, others: Self, signal: &S, stage: &StageDevice) -> Self {
        let mut plus = Plus {
            these: self,
            others,
            stage,
            sums: Self::default(),
        };
        signal.visit(&mut plus);
        plus.sums
    }

    /// The gradient of the next tensor, if one arrived.
    fn next<const D: usize>(&mut self) -> Option<Tensor<D>> {
        match self.0.pop_front() {
            Some(Entry::Float(gradient)) => gradient.map(|gradient| {
                *gradient
                    .into_any()
                    .downcast::<Tensor<D>>()
                    .expect("the gradients of a boundary come in the order of its tensors")
            }),
            _ => None,
        }
    }

    fn next_skip(&mut self) -> Self {
        match self.0.pop_front() {
            Some(Entry::Skip(gradients)) => gradients,
            _ => Self::default(),
        }
    }

    fn push<const D: usize>(&mut self, gradient: Option<Tensor<D>>) {
        let gradient = gradient.map(|gradient| Box::new(gradient) as Box<dyn AnyTensor>);
        self.0.push_back(Entry::Float(gradient));
    }
}

/// The sum of every tracked float tensor of `signal`, or nothing when there is none.
pub(crate) fn sum_of_floats<S: Signal>(signal: &S) -> Option<Tensor<1>> {
    let mut sum = SumOfFloats(None);
    signal.visit(&mut sum);
    sum.0
}

fn add(sum: &mut Option<Tensor<1>>, term: Option<Tensor<1>>) {
    *sum = match (sum.take(), term) {
        (Some(sum), Some(term)) => Some(sum + term),
        (sum, term) => sum.or(term),
    };
}

struct Taker<'a> {
    gradients: Option<&'a mut Gradients>,
    passing: Passing,
    stage: &'a StageDevice,
    taken: FloatGradients,
}

impl SignalVisitor for Taker<'_> {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        let gradients = self.gradients.as_deref_mut();
        let gradient = gradients.and_then(|gradients| tensor.grad_remove(gradients));
        self.taken.push(gradient);
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}

    fn visit_skip<T: Signal>(&mut self, skip: &Skip<T>) {
        let used = skip.recorded().map(|leaves| {
            let gradients = self.gradients.as_deref_mut();
            FloatGradients::of_leaves(&leaves, gradients, Passing::default(), self.stage)
        });
        let all = match (used, self.passing.take(skip)) {
            (Some(used), Some(passing)) => used.plus(passing, skip.value(), self.stage),
            (used, passing) => used.or(passing).unwrap_or_default(),
        };
        self.taken.0.push_back(Entry::Skip(all));
    }
}

struct Receive<'a> {
    arrived: FloatGradients,
    stage: &'a StageDevice,
    received: FloatGradients,
    passing: Passing,
}

impl SignalVisitor for Receive<'_> {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        // Without a history there is nothing to pull it back through.
        let gradient = self.arrived.next::<D>().filter(|_| tensor.is_tracked());
        let gradient = gradient.map(|gradient| {
            let gradient = self.stage.receive(gradient);
            match gradient.dtype() == tensor.dtype() {
                true => gradient,
                false => gradient.cast(tensor.dtype()),
            }
        });
        self.received.push(gradient);
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}

    fn visit_skip<T: Signal>(&mut self, skip: &Skip<T>) {
        let arrived = self.arrived.next_skip();
        let mut received = FloatGradients::default();
        match skip.is_foreign() {
            true => self.passing.add(skip, arrived, self.stage),
            false => received = arrived.receive(skip.value(), self.stage).0,
        }
        self.received.0.push_back(Entry::Skip(received));
    }
}

struct Root {
    gradients: FloatGradients,
    sum: Option<Tensor<1>>,
}

impl SignalVisitor for Root {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        let gradient = self.gradients.next::<D>();
        let term = gradient.map(|gradient| (tensor.clone() * gradient).sum());
        add(&mut self.sum, term);
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}

    fn visit_skip<T: Signal>(&mut self, skip: &Skip<T>) {
        let gradients = self.gradients.next_skip();
        if !skip.is_foreign() {
            add(&mut self.sum, gradients.root(skip.value()));
        }
    }
}

struct Plus<'a> {
    these: FloatGradients,
    others: FloatGradients,
    stage: &'a StageDevice,
    sums: FloatGradients,
}

impl SignalVisitor for Plus<'_> {
    fn visit_float<const D: usize>(&mut self, _tensor: &Tensor<D>) {
        let sum = match (self.these.next::<D>(), self.others.next::<D>()) {
            (Some(this), Some(other)) => {
                let other = self.stage.receive(other).to_device(&this.device());
                // A gathered loss sends more than half precision.
                Some(match other.dtype() == this.dtype() {
                    true => this + other,
                    false => this.clone() + other.cast(this.dtype()),
                })
            }
            (this, other) => this.or(other),
        };
        self.sums.push(sum);
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}

    fn visit_skip<T: Signal>(&mut self, skip: &Skip<T>) {
        let sum = self
            .these
            .next_skip()
            .plus(self.others.next_skip(), skip.value(), self.stage);
        self.sums.0.push_back(Entry::Skip(sum));
    }
}

struct SumOfFloats(Option<Tensor<1>>);

impl SignalVisitor for SumOfFloats {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        let term = tensor.is_tracked().then(|| tensor.clone().sum());
        add(&mut self.0, term);
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}

    fn visit_skip<T: Signal>(&mut self, skip: &Skip<T>) {
        let sum = skip.recorded().and_then(|value| sum_of_floats(&value));
        add(&mut self.0, sum);
    }
}
