//! A model of equal layers, and the digits that it learns to read.

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset;
use burn::module::{ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn_pipeline::{Layer, Sequential};
use guide::{DigitBatch, DigitBatcher, Digits, NUM_CLASSES, SIZE};

use crate::Error;

/// A linear layer, and what is between two of them.
#[derive(Module, Debug)]
pub struct Dense {
    linear: Linear,
    is_last: bool,
}

impl Layer for Dense {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        match self.is_last {
            true => self.linear.forward(input),
            false => relu(self.linear.forward(input)),
        }
    }
}

/// From `[num_samples, 28 * 28]` pixels to `[num_samples, 10]` logits.
#[derive(Module, Sequential, Debug)]
pub struct Reader {
    layers: Vec<Dense>,
}

impl Reader {
    /// A model of `num_layers` layers, 2 at least, that is not initialised yet.
    pub fn new(num_layers: usize, width: usize, device: &Device) -> Self {
        let layers = (0..num_layers).map(|layer| {
            let inputs = if layer == 0 { SIZE * SIZE } else { width };
            let is_last = layer + 1 == num_layers;
            let outputs = if is_last { NUM_CLASSES } else { width };
            Dense {
                linear: LinearConfig::new(inputs, outputs).init(device),
                is_last,
            }
        });
        Self {
            layers: layers.collect(),
        }
    }

    /// The same model whatever devices it goes to: made here, since every server draws random
    /// numbers of its own.
    pub fn initialised(num_layers: usize, width: usize, seed: u64) -> Self {
        let device = Device::flex();
        device.seed(seed);
        let model = Self::new(num_layers, width, &device);
        model.visit(&mut Initialise);
        model
    }
}

struct Initialise;

impl ModuleVisitor for Initialise {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        param.base();
    }
}

/// The mini-batch of a step: `[batch_size, 28 * 28]` pixels and the digits that they show. The same
/// for the same step.
///
/// # Errors
///
/// When an image cannot be drawn.
pub fn batch(step: u64, batch_size: usize) -> Result<(Tensor<2>, Tensor<1, Int>), Error> {
    let device = Device::flex();
    let start = step as usize * batch_size;
    let digits = Digits::train(start + batch_size);
    let items = (start..start + batch_size).map(|index| digits.get(index));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    let DigitBatch { images, targets } = DigitBatcher::default().batch(items, &device);
    Ok((images.flatten(1, 2), targets))
}

/// The mean cross-entropy, in nats.
pub fn loss(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    CrossEntropyLossConfig::new()
        .init(&logits.device())
        .forward(logits, targets)
}
