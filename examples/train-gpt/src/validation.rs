//! The loss on bytes that the model has not seen.

use burn_pipeline::PipelineModule;

use crate::batches::validation_batches;
use crate::model::Gpt;
use crate::training::cross_entropy;
use crate::{Args, Error};

/// The mean loss over `bytes`, in nats per byte: each predicted from those before it in its window
/// of `--context` bytes. A rest shorter than a window is left out.
///
/// # Errors
///
/// When a stage fails or a loss cannot be read.
pub fn validation_loss(
    pipeline: &PipelineModule<Gpt>,
    bytes: &[u8],
    args: &Args,
) -> Result<f64, Error> {
    let device = pipeline.stage_devices().swap_remove(0);
    let batches = validation_batches(bytes, args.context, args.batch_size, &device);
    let mut sum = 0.0;
    for batch in batches.iter() {
        let batch = batch?;
        let [num_windows, _] = batch.inputs.dims();
        let logits = pipeline.forward(batch.inputs)?;
        let targets = batch.targets.to_device(&logits.device());
        let loss = cross_entropy(logits, targets).try_into_scalar::<f32>()?;
        sum += f64::from(loss) * num_windows as f64;
    }
    Ok(sum / batches.num_items() as f64)
}
