//! The loss at the end of the last stage.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};

use burn::tensor::Tensor;

use super::step::Reduction;
use crate::PipelineError;
use crate::engine::LossEnd;
use crate::rematerialize::Pass;
use crate::signal::{AnySignal, FloatGradients, Signal, StageDevice, plain};

/// What each micro-batch's loss is multiplied by.
pub(crate) fn weigh<T>(
    reduction: &Reduction<T>,
    parts: &[Range<usize>],
    targets: &[T],
) -> Result<Vec<f64>, PipelineError> {
    let num_samples = parts.last().map_or(0, |part| part.end) as f64;
    match reduction {
        Reduction::Mean => Ok(parts
            .iter()
            .map(|part| part.len() as f64 / num_samples)
            .collect()),
        Reduction::Sum => Ok(vec![1.0; parts.len()]),
        Reduction::Weighted(weight) => {
            let total: f64 = targets.iter().map(weight).sum();
            match total.is_finite() && total > 0.0 {
                true => Ok(vec![1.0 / total; parts.len()]),
                false => Err(PipelineError::Batch(format!(
                    "the weights of the {} micro-batches add up to {total}, but a mean needs a positive number to divide by: leave out mini-batches in which nothing counts",
                    parts.len()
                ))),
            }
        }
    }
}

/// The loss of each micro-batch, as the last stage's worker computes it.
pub(crate) struct MicroLoss<O, T, F> {
    loss: F,
    targets: Vec<T>,
    weights: Vec<f64>,
    scale: f64,
    device: StageDevice,
    keep_outputs: bool,
    results: Sender<MicroResult<O>>,
}

pub(crate) struct MicroResult<O> {
    pub(crate) micro_batch: usize,
    pub(crate) loss: Tensor<1>,
    pub(crate) outputs: Option<O>,
}

/// Where the caller finds the losses and outputs of a step that has ended.
pub(crate) struct MicroResults<O>(Receiver<MicroResult<O>>);

impl<O: Signal, T: Signal, F: Fn(O, T) -> Tensor<1>> MicroLoss<O, T, F> {
    pub(crate) fn new(
        loss: F,
        targets: Vec<T>,
        weights: Vec<f64>,
        scale: f64,
        device: StageDevice,
        keep_outputs: bool,
    ) -> (Self, MicroResults<O>) {
        let (results, receiver) = channel();
        let end = Self {
            loss,
            targets,
            weights,
            scale,
            device,
            keep_outputs,
            results,
        };
        (end, MicroResults(receiver))
    }
}

impl<O: Signal, T: Signal, F: Fn(O, T) -> Tensor<1> + Send> LossEnd for MicroLoss<O, T, F> {
    fn loss(&mut self, micro_batch: usize, outputs: AnySignal, pass: Pass) -> Option<Tensor<1>> {
        let first = pass != Pass::Recompute;
        let full = self.device.in_full_precision();
        let outputs: O = full.cast_signal(outputs.into_signal());
        let kept = (first && self.keep_outputs).then(|| plain(outputs.clone()));
        let target = self.device.leaves(self.targets[micro_batch].clone(), false);

        let loss = (self.loss)(outputs, target);
        assert_one_number(&loss);
        let loss = loss * self.weights[micro_batch];

        if first {
            // The caller holds the other end until all workers have reported.
            let _ = self.results.send(MicroResult {
                micro_batch,
                loss: loss.clone().without_autodiff(),
                outputs: kept,
            });
        }
        Some(scaled(loss, self.scale))
    }

    fn gradients(&mut self, _micro_batch: usize) -> FloatGradients {
        FloatGradients::default()
    }
}

/// The loss that runs backward, which is not the one that is reported.
pub(crate) fn scaled(loss: Tensor<1>, scale: f64) -> Tensor<1> {
    match scale == 1.0 {
        true => loss,
        false => loss * scale,
    }
}

pub(crate) fn assert_one_number(loss: &Tensor<1>) {
    let [num_values] = loss.dims();
    assert_eq!(
        num_values, 1,
        "the loss must be one number, shape [1], but it has shape [{num_values}]: reduce it with `mean()` or `sum()`"
    );
}

impl<O> MicroResults<O> {
    pub(crate) fn new(results: Receiver<MicroResult<O>>) -> Self {
        Self(results)
    }

    /// The sum of the weighted losses and the outputs, both in the order of the micro-batches.
    pub(crate) fn collect(self) -> (Tensor<1>, Option<Vec<O>>) {
        let mut results: Vec<_> = self.0.into_iter().collect();
        results.sort_by_key(|result| result.micro_batch);

        let mut losses = Vec::with_capacity(results.len());
        let mut outputs = Vec::with_capacity(results.len());
        for result in results {
            losses.push(result.loss);
            outputs.push(result.outputs);
        }
        let loss = losses
            .into_iter()
            .reduce(|sum, loss| sum + loss)
            .expect("a step that succeeded has run at least one micro-batch");
        (loss, outputs.into_iter().collect())
    }
}
