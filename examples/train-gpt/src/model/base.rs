use burn::config::Config;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Initializer};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{Dropout, DropoutConfig, Layer, Sequential};

use super::{Block, Head};

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
    /// Whether the head shares the weight of the embedding.
    #[config(default = false)]
    pub tie_embeddings: bool,
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
    dropout: Dropout,
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
        let bytes = embedding(VOCABULARY);
        let head = match self.tie_embeddings {
            true => Head::tied(self.width, &bytes.weight, device),
            false => Head::new(self.width, device),
        };
        Gpt {
            embed: Embed {
                bytes,
                positions: embedding(self.context),
                dropout: DropoutConfig::new(self.dropout).init(),
            },
            blocks: (0..self.num_blocks)
                .map(|_| Block::new(self, device))
                .collect(),
            head,
        }
    }
}

impl Gpt {
    /// The model with embedding and head sharing a weight again, if they are to. A pipeline keeps
    /// them together; on the plain model, what forks or updates parameters takes them apart.
    pub fn tied(mut self) -> Self {
        self.head.tie(&self.embed.bytes.weight);
        self
    }
}

impl Layer for Embed {
    type Input = Tensor<2, Int>;
    type Output = Tensor<3>;

    fn forward(&self, bytes: Tensor<2, Int>) -> Tensor<3> {
        let [_, length] = bytes.dims();
        let positions = Tensor::arange(0..length as i64, &bytes.device()).unsqueeze();
        let embedded = self.bytes.forward(bytes) + self.positions.forward(positions);
        self.dropout.forward(embedded)
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
}
