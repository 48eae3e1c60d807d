//! Text that the model makes up.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor, TensorData};
use burn_pipeline::PipelineModule;
use rand::SeedableRng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::StdRng;

use crate::model::Gpt;
use crate::{Args, Error};

/// Below 1, likely bytes are drawn more often than the model says.
const TEMPERATURE: f64 = 0.7;

/// `num_bytes` bytes to follow `prompt`, drawn one after the other from what the model says of the
/// next byte.
///
/// # Errors
///
/// When a stage fails, or its outputs are no probabilities.
pub fn sample(
    pipeline: &PipelineModule<Gpt>,
    prompt: &[u8],
    num_bytes: usize,
    args: &Args,
) -> Result<Vec<u8>, Error> {
    let mut random = StdRng::seed_from_u64(args.seed);
    let mut text = prompt.to_vec();
    for _ in 0..num_bytes {
        let window = &text[text.len().saturating_sub(args.context)..];
        let weights = next_byte(pipeline, window)?;
        let choice = WeightedIndex::new(weights).map_err(|error| {
            Error::Options(format!(
                "the model's outputs are no probabilities ({error}), so training has diverged: lower --learning-rate {}",
                args.learning_rate
            ))
        })?;
        // There are as many weights as bytes.
        text.push(choice.sample(&mut random) as u8);
    }
    Ok(text.split_off(prompt.len()))
}

/// The probability of each byte after `window`.
fn next_byte(pipeline: &PipelineModule<Gpt>, window: &[u8]) -> Result<Vec<f32>, Error> {
    let length = window.len();
    let bytes: Vec<i32> = window.iter().map(|byte| i32::from(*byte)).collect();
    let device = pipeline.stage_devices().swap_remove(0);
    let input = Tensor::<2, Int>::from_data(TensorData::new(bytes, [1, length]), &device);
    let logits = pipeline.forward(input)?.narrow(1, length - 1, 1);
    let weights = softmax(logits / TEMPERATURE, 2);
    Ok(weights.try_into_vec_as::<f32>()?)
}
