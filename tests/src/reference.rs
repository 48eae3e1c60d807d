//! One training step without a pipeline: what a pipelined one is compared with.

use std::ops::Range;

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_pipeline::{
    AnySignal, Sequential, Signal, SignalMapper, SignalVisitor, layer_seed, with_random_step,
};

use crate::compare::Step;
use crate::models::{Input, Toy};

/// A step on the whole mini-batch at once, the first of a run whose seed is 0.
pub fn whole<T: Toy>(model: &T::Model, batch: (Input<T>, T::Target)) -> Step {
    let (input, target) = batch;
    let samples = 0..num_samples(&input);
    let loss = with_random_step(0, 0, samples, || {
        T::loss(model.forward_layers(input), target)
    });
    let gradients = GradientsParams::from_grads(loss.backward(), model);
    Step::new(loss, &gradients, model)
}

/// A step by micro-batches on one thread, one layer after the other: all forward, then all
/// backward. A toy that draws is seeded before each layer.
pub struct ByMicroBatches {
    /// How many there are at most.
    pub num_micro_batches: usize,
    /// Whether the last one runs backward first: it is the order of the sum.
    pub last_first: bool,
    /// The seed of the run.
    pub seed: u64,
    /// The number of steps before this one.
    pub step: u64,
}

impl ByMicroBatches {
    /// Take the step; the gradients are the mini-batch's.
    pub fn gradients<T: Toy>(
        &self,
        model: &T::Model,
        batch: (Input<T>, T::Target),
        device: &Device,
    ) -> (Tensor<1>, GradientsParams) {
        let (input, target) = batch;
        let num_samples = num_samples(&input);
        let mut losses = Vec::new();
        for (micro_batch, part) in split(num_samples, self.num_micro_batches)
            .into_iter()
            .enumerate()
        {
            let share = part.len() as f64 / num_samples as f64;
            let of_part = narrow(input.clone(), part.clone());
            let target = narrow(target.clone(), part.clone());
            let loss = with_random_step(self.seed, self.step, part, || {
                let output = match T::DRAWS {
                    true => self.seeded_forward(model, of_part, micro_batch, device),
                    false => model.forward_layers(of_part),
                };
                T::loss(output, target)
            });
            losses.push(loss * share);
        }

        let mut gradients = GradientsAccumulator::new();
        let mut order: Vec<_> = losses.iter().collect();
        if self.last_first {
            order.reverse();
        }
        for loss in order {
            gradients.accumulate(model, GradientsParams::from_grads(loss.backward(), model));
        }
        let losses = losses.into_iter().map(Tensor::without_autodiff);
        let loss = losses.reduce(|sum, loss| sum + loss).expect("one at least");
        (loss, gradients.grads())
    }

    fn seeded_forward<M: Sequential>(
        &self,
        model: &M,
        input: M::Input,
        micro_batch: usize,
        device: &Device,
    ) -> M::Output {
        let mut signal = AnySignal::new(input);
        for layer in 0..model.num_layers() {
            device.seed(layer_seed(self.seed, self.step, layer, micro_batch));
            signal = model.forward_layer(layer, signal);
        }
        signal.into_signal()
    }

    /// Take the step and read its numbers.
    pub fn step<T: Toy>(
        &self,
        model: &T::Model,
        batch: (Input<T>, T::Target),
        device: &Device,
    ) -> Step {
        let (loss, gradients) = self.gradients::<T>(model, batch, device);
        Step::new(loss, &gradients, model)
    }
}

/// The samples of each micro-batch: sizes differ by one at most, and none is empty.
fn split(num_samples: usize, num_parts: usize) -> Vec<Range<usize>> {
    let num_parts = num_parts.min(num_samples);
    (0..num_parts)
        .map(|part| num_samples * part / num_parts..num_samples * (part + 1) / num_parts)
        .collect()
}

fn num_samples<S: Signal>(signal: &S) -> usize {
    let mut first = FirstDim(None);
    signal.visit(&mut first);
    first.0.expect("a batch has a tensor")
}

fn narrow<S: Signal>(signal: S, samples: Range<usize>) -> S {
    signal.map(&mut Narrow(samples))
}

struct FirstDim(Option<usize>);

impl SignalVisitor for FirstDim {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        self.0 = Some(tensor.dims()[0]);
    }

    fn visit_int<const D: usize>(&mut self, tensor: &Tensor<D, Int>) {
        self.0 = Some(tensor.dims()[0]);
    }

    fn visit_bool<const D: usize>(&mut self, tensor: &Tensor<D, Bool>) {
        self.0 = Some(tensor.dims()[0]);
    }
}

struct Narrow(Range<usize>);

impl SignalMapper for Narrow {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        tensor.narrow(0, self.0.start, self.0.len())
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        tensor.narrow(0, self.0.start, self.0.len())
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        tensor.narrow(0, self.0.start, self.0.len())
    }
}
