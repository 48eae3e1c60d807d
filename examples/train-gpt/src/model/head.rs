use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::Layer;

use super::base::VOCABULARY;

/// The logits of the next byte: `[num_samples, length, width]` to `[num_samples, length, 256]`.
#[derive(Module, Debug)]
pub struct Head {
    norm: LayerNorm,
    output: Option<Linear>,
    /// The weight of the embedding, `[256, width]`, in place of weights of its own.
    bytes: Option<Param<Tensor<2>>>,
}

impl Head {
    /// A head with weights of its own.
    pub(super) fn new(width: usize, device: &Device) -> Self {
        Self {
            norm: LayerNormConfig::new(width).init(device),
            output: Some(LinearConfig::new(width, VOCABULARY).init(device)),
            bytes: None,
        }
    }

    /// A head that shares `bytes`: a clone of a parameter is the same parameter (Press and Wolf,
    /// *Using the Output Embedding to Improve Language Models*, 2017).
    pub(super) fn tied(width: usize, bytes: &Param<Tensor<2>>, device: &Device) -> Self {
        Self {
            norm: LayerNormConfig::new(width).init(device),
            output: None,
            bytes: Some(bytes.clone()),
        }
    }

    /// Share `bytes` again, if it did.
    pub(super) fn tie(&mut self, bytes: &Param<Tensor<2>>) {
        if self.bytes.is_some() {
            self.bytes = Some(bytes.clone());
        }
    }
}

impl Layer for Head {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let input = self.norm.forward(input);
        match (&self.output, &self.bytes) {
            (Some(output), _) => output.forward(input),
            (None, Some(bytes)) => input.matmul(bytes.val().transpose().unsqueeze()),
            (None, None) => input,
        }
    }
}
