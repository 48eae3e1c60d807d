use burn::config::Config;
use burn::module::Module;
use burn::nn::{
    Dropout, Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig, Linear,
    LinearConfig,
};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{Layer, Sequential};

use super::Block;
use super::block::dropout;

/// The number of byte values.
pub(super) const VOCABULARY: usize = 256;

/// The shape of a [`Gpt`].
#[derive(Config, Debug, PartialEq)]
pub struct GptConfig {
    /// How many blocks there are.
    pub num_blocks: usize,
    /// The numbers that stand for a byte between two layers.
    pub width: usize,
    /// How many heads share the width in attention.
    pub num_heads: usize,
    /// The most bytes that the model sees at once.
    pub context: usize,
    /// The probability with which a number is dropped in training.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// A byte-level GPT: `1 + num_blocks + 1` layers.
#[derive(Module, Sequential, Debug)]
pub struct Gpt {
    embed: Embed,
    blocks: Vec<Block>,
    head: Head,
}

/// What a byte is and where it stands, as numbers: `[num_samples, length]` bytes to
/// `[num_samples, length, width]`.
#[derive(Module, Debug)]
pub struct Embed {
    bytes: Embedding,
    positions: Embedding,
    dropout: Option<Dropout>,
}

/// The logits of the next byte: `[num_samples, length, width]` to `[num_samples, length, 256]`.
#[derive(Module, Debug)]
pub struct Head {
    norm: LayerNorm,
    output: Linear,
}

impl GptConfig {
    /// A new model. Parameters get their values when they are first used.
    pub fn init(&self, device: &Device) -> Gpt {
        let embedding = |num_rows| {
            let initializer = Initializer::Normal {
                mean: 0.0,
                std: 0.02,
            };
            EmbeddingConfig::new(num_rows, self.width)
                .with_initializer(initializer)
                .init(device)
        };
        Gpt {
            embed: Embed {
                bytes: embedding(VOCABULARY),
                positions: embedding(self.context),
                dropout: dropout(self.dropout),
            },
            blocks: (0..self.num_blocks)
                .map(|_| Block::new(self, device))
                .collect(),
            head: Head {
                norm: LayerNormConfig::new(self.width).init(device),
                output: LinearConfig::new(self.width, VOCABULARY).init(device),
            },
        }
    }
}

impl Layer for Embed {
    type Input = Tensor<2, Int>;
    type Output = Tensor<3>;

    fn forward(&self, bytes: Tensor<2, Int>) -> Tensor<3> {
        let [_, length] = bytes.dims();
        let positions = Tensor::arange(0..length as i64, &bytes.device()).unsqueeze();
        let embedded = self.bytes.forward(bytes) + self.positions.forward(positions);
        match &self.dropout {
            Some(dropout) => dropout.forward(embedded),
            None => embedded,
        }
    }
}

impl Layer for Head {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.output.forward(self.norm.forward(input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_byte_does_not_change_earlier_logits() {
        let device = Device::flex();
        let model = GptConfig::new(2, 8, 2, 6).init(&device);
        let logits = |bytes: [[i32; 6]; 1]| {
            let input = Tensor::<2, Int>::from_data(bytes, &device);
            let logits = model.forward_layers(input).into_data();
            logits.try_into_vec::<f32>().unwrap()
        };
        let before = logits([[7, 30, 2, 99, 4, 5]]);
        let after = logits([[7, 30, 2, 100, 4, 5]]);

        let changed = 3 * VOCABULARY;
        assert_eq!(before[..changed], after[..changed]);
        for position in 3..6 {
            let row = position * VOCABULARY..(position + 1) * VOCABULARY;
            assert_ne!(before[row.clone()], after[row]);
        }
    }

    #[test]
    fn without_dropout_no_layer_is_random() {
        let config = GptConfig::new(1, 8, 2, 6);
        let shown = |config: GptConfig| format!("{:?}", config.init(&Device::flex()));
        assert!(!shown(config.clone()).contains("Dropout"));
        assert!(shown(config.with_dropout(0.1)).contains("Dropout"));
    }
}
