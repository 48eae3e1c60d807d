use burn::module::Module;
use burn::nn::{Gelu, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Dropout, DropoutConfig, Layer};

use super::{Attention, GptConfig};

/// How much wider the hidden layer of a block is than the block.
pub(super) const EXPANSION: usize = 4;

/// One block of a pre-norm decoder: attention and a feed-forward network, each added to its input.
#[derive(Module, Debug)]
pub struct Block {
    attention_norm: LayerNorm,
    attention: Attention,
    feed_forward_norm: LayerNorm,
    expand: Linear,
    activation: Gelu,
    contract: Linear,
    dropout: Dropout,
}

impl Block {
    pub(super) fn new(config: &GptConfig, device: &Device) -> Self {
        let width = config.width;
        Self {
            attention_norm: LayerNormConfig::new(width).init(device),
            attention: Attention::new(width, config.num_heads, device),
            feed_forward_norm: LayerNormConfig::new(width).init(device),
            expand: LinearConfig::new(width, EXPANSION * width).init(device),
            activation: Gelu::new(),
            contract: LinearConfig::new(EXPANSION * width, width).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }
}

impl Layer for Block {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let normed = self.attention_norm.forward(input.clone());
        let attended = input + self.dropout.forward(self.attention.forward(normed));

        let normed = self.feed_forward_norm.forward(attended.clone());
        let hidden = self.activation.forward(self.expand.forward(normed));
        attended + self.dropout.forward(self.contract.forward(hidden))
    }
}
