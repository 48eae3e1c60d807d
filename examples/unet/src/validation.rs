//! How well the model finds shapes in pictures that it has not seen.

use std::fmt;

use burn::tensor::{Int, Tensor};
use burn_pipeline::PipelineModule;

use crate::batches::validation_batches;
use crate::model::UNet;
use crate::{Args, Error};

/// How many pixels are called shape, are one, and both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlap {
    called: u64,
    are: u64,
    both: u64,
}

impl Overlap {
    /// Of logits and masks of one shape. A positive logit calls its pixel a shape.
    ///
    /// # Errors
    ///
    /// When a number cannot be read from its device.
    pub fn of(logits: Tensor<4>, masks: Tensor<4, Int>) -> Result<Self, Error> {
        let masks = masks.bool();
        let called = logits.greater_scalar(0.0);
        let both = called.clone().bool_and(masks.clone());
        let count = |mask: Tensor<4, burn::tensor::Bool>| -> Result<u64, Error> {
            Ok(mask.int().sum().try_into_scalar::<i64>()? as u64)
        };
        Ok(Self {
            called: count(called)?,
            are: count(masks)?,
            both: count(both)?,
        })
    }

    /// Both over either: 1 where all pixels are told right.
    pub fn iou(&self) -> f64 {
        share(self.both, self.called + self.are - self.both)
    }

    /// Twice both over the sum of the two (Dice, 1945): 1 where all pixels are told right.
    pub fn dice(&self) -> f64 {
        share(2 * self.both, self.called + self.are)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            called: self.called + other.called,
            are: self.are + other.are,
            both: self.both + other.both,
        }
    }
}

/// Nothing called shape where there is none is right.
fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 1.0,
        _ => part as f64 / whole as f64,
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IoU {:.4}, Dice {:.4}", self.iou(), self.dice())
    }
}

/// The overlap over all pictures to test on.
///
/// # Errors
///
/// When a stage fails or a number cannot be read.
pub fn validate(pipeline: &PipelineModule<UNet>, args: &Args) -> Result<Overlap, Error> {
    let device = pipeline.stage_devices().swap_remove(0);
    let batches = validation_batches(args, &device);
    let mut overlap = Overlap::default();
    for batch in batches.iter() {
        let batch = batch?;
        let logits = pipeline.forward(batch.images.into())?;
        let masks = batch.masks.to_device(&logits.device());
        overlap = overlap.plus(Overlap::of(logits, masks)?);
    }
    Ok(overlap)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn overlap_counts_pixels() {
        let device = Device::flex();
        let shape = [1, 1, 1, 5];
        let logits = TensorData::new(vec![2.0f32, 0.5, 3.0, -1.0, -2.0], shape);
        let masks = TensorData::new(vec![1, 1, 0, 1, 0], shape);
        let overlap = Overlap::of(
            Tensor::from_data(logits, &device),
            Tensor::from_data(masks, &device),
        )
        .unwrap();
        assert_eq!(overlap.iou(), 2.0 / 4.0);
        assert_eq!(overlap.dice(), 4.0 / 6.0);
        assert_eq!(Overlap::default().iou(), 1.0);
    }
}
