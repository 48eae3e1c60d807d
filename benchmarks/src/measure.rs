//! Timing that a noisy machine does not fool.

use std::time::Instant;

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use burn_pipeline::{PipelineModule, Sequential};

use crate::settle::wait_for_gradients;

/// Run `work` and return its seconds.
pub fn seconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}

/// The middle of `values`.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// The median of the ratios within each repetition.
pub fn ratio(of: &[f64], to: &[f64]) -> f64 {
    let ratios: Vec<_> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    median(&ratios)
}

/// The loss of all benchmarks.
pub fn mean_square<const D: usize>(output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    (output - target).powi_scalar(2).mean()
}

/// One step of plain Burn: gradient accumulation over `num_micro_batches` parts, loss weighted by
/// their share, until all is computed. Returns the loss.
pub fn plain_step<const D: usize, M>(
    model: &M,
    batch: &(Tensor<D>, Tensor<D>),
    num_micro_batches: usize,
) -> (f32, GradientsParams)
where
    M: Sequential<Input = Tensor<D>, Output = Tensor<D>>,
{
    let num_samples = batch.0.dims()[0];
    let mut accumulator = GradientsAccumulator::new();
    let mut sum: Option<Tensor<1>> = None;
    for part in 0..num_micro_batches {
        let start = num_samples * part / num_micro_batches;
        let end = num_samples * (part + 1) / num_micro_batches;
        let cut = |tensor: &Tensor<D>| tensor.clone().narrow(0, start, end - start).autodiff();
        let share = (end - start) as f64 / num_samples as f64;

        let output = model.forward_layers(cut(&batch.0));
        let loss = mean_square(output, cut(&batch.1)) * share;
        // Read at the end, since a read makes a device that runs behind catch up.
        let part = loss.clone().without_autodiff();
        sum = Some(match sum {
            Some(sum) => sum + part,
            None => part,
        });
        accumulator.accumulate(model, GradientsParams::from_grads(loss.backward(), model));
    }
    let grads = accumulator.grads();
    wait_for_gradients(model, &grads);
    let loss = sum.expect("a mini-batch is at least one micro-batch");
    (loss.into_scalar::<f32>(), grads)
}

/// One step of a pipeline, until all is computed. Returns the loss.
pub fn pipeline_step<const D: usize, M>(
    pipeline: &PipelineModule<M>,
    batch: &(Tensor<D>, Tensor<D>),
) -> (f32, GradientsParams)
where
    M: Sequential<Input = Tensor<D>, Output = Tensor<D>> + 'static,
{
    let (input, target) = batch.clone();
    let step = pipeline
        .train_step(input, target, mean_square)
        .expect("a benchmark's step succeeds");
    wait_for_gradients(pipeline.inner(), &step.grads);
    (step.loss.into_scalar::<f32>(), step.grads)
}
