use burn::module::Module;
use burn::nn::attention::{
    MhaInput, MultiHeadAttention, MultiHeadAttentionConfig, generate_autoregressive_mask,
};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::transformer::{PositionWiseFeedForward, PositionWiseFeedForwardConfig};
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig,
};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{Layer, Sequential};

use super::Toy;
use crate::data::{filled, ints};

const NUM_TOKENS: usize = 11;
const LENGTH: usize = 5;
const WIDTH: usize = 8;

/// Tokens and positions, dropped out.
#[derive(Module, Debug)]
pub struct Embed {
    tokens: Embedding,
    positions: Embedding,
    dropout: Dropout,
}

impl Layer for Embed {
    type Input = Tensor<2, Int>;
    type Output = Tensor<3>;

    fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [_, length] = tokens.dims();
        let positions = Tensor::arange(0..length as i64, &tokens.device()).unsqueeze();
        let embedded = self.tokens.forward(tokens) + self.positions.forward(positions);
        self.dropout.forward(embedded)
    }
}

/// Causal attention and a feed-forward, each behind a norm and beside a residual.
#[derive(Module, Debug)]
pub struct Block {
    norm_attention: LayerNorm,
    attention: MultiHeadAttention,
    norm_feed: LayerNorm,
    feed: PositionWiseFeedForward,
    dropout: Dropout,
}

impl Layer for Block {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [num_samples, length, _] = input.dims();
        let mask = generate_autoregressive_mask(num_samples, length, &input.device());
        let attended = MhaInput::self_attn(self.norm_attention.forward(input.clone()));
        let attended = self.attention.forward(attended.mask_attn(mask)).context;
        let hidden = input + self.dropout.forward(attended);

        let fed = self.feed.forward(self.norm_feed.forward(hidden.clone()));
        hidden + self.dropout.forward(fed)
    }
}

/// A norm and the logits of the next token.
#[derive(Module, Debug)]
pub struct Head {
    norm: LayerNorm,
    logits: Linear,
}

impl Layer for Head {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.logits.forward(self.norm.forward(input))
    }
}

/// A language model of three blocks: five layers.
#[derive(Module, Sequential, Debug)]
pub struct Transformer {
    embed: Embed,
    blocks: Vec<Block>,
    head: Head,
}

impl Transformer {
    /// The forward as it is written without layers.
    pub fn forward_by_hand(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [num_samples, length] = tokens.dims();
        let device = tokens.device();
        let mask = generate_autoregressive_mask(num_samples, length, &device);
        let positions = Tensor::arange(0..length as i64, &device)
            .reshape([1, length])
            .repeat_dim(0, num_samples);

        let mut x = self.embed.tokens.forward(tokens) + self.embed.positions.forward(positions);
        x = self.embed.dropout.forward(x);
        for block in &self.blocks {
            let normed = block.norm_attention.forward(x.clone());
            let input = MhaInput::new(normed.clone(), normed.clone(), normed);
            let output = block.attention.forward(input.mask_attn(mask.clone()));
            x = x + block.dropout.forward(output.context);
            let output = block.feed.forward(block.norm_feed.forward(x.clone()));
            x = x + block.dropout.forward(output);
        }
        self.head.logits.forward(self.head.norm.forward(x))
    }
}

/// Tokens `[n, 5]` to logits `[n, 5, 11]`, not initialised yet.
pub fn transformer(dropout: f64, device: &Device) -> Transformer {
    let norm = || LayerNormConfig::new(WIDTH).init(device);
    // The softmax takes a key's bias out again: all its gradient would be rounding.
    let attention = MultiHeadAttentionConfig::new(WIDTH, 2)
        .with_key_bias(false)
        .with_dropout(dropout);
    let block = || Block {
        norm_attention: norm(),
        attention: attention.init(device),
        norm_feed: norm(),
        feed: PositionWiseFeedForwardConfig::new(WIDTH, 2 * WIDTH)
            .with_dropout(dropout)
            .init(device),
        dropout: DropoutConfig::new(dropout).init(),
    };
    Transformer {
        embed: Embed {
            tokens: EmbeddingConfig::new(NUM_TOKENS, WIDTH).init(device),
            positions: EmbeddingConfig::new(LENGTH, WIDTH).init(device),
            dropout: DropoutConfig::new(dropout).init(),
        },
        blocks: (0..3).map(|_| block()).collect(),
        head: Head {
            norm: norm(),
            logits: LinearConfig::new(WIDTH, NUM_TOKENS).init(device),
        },
    }
}

impl Toy for Transformer {
    type Model = Self;
    type Target = Tensor<2, Int>;

    const DRAWS: bool = true;

    fn model(device: &Device) -> Self {
        filled(transformer(0.2, device))
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
        (
            ints([num_samples, LENGTH], NUM_TOKENS as i64, 1, device),
            ints([num_samples, LENGTH], NUM_TOKENS as i64, 2, device),
        )
    }

    fn loss(logits: Tensor<3>, target: Tensor<2, Int>) -> Tensor<1> {
        let loss = CrossEntropyLossConfig::new().init(&logits.device());
        loss.forward(logits.flatten(0, 1), target.flatten(0, 1))
    }
}

/// The [`Transformer`] with its dropout at probability 0, for which a pipeline still seeds.
pub struct WithoutDropout;

impl Toy for WithoutDropout {
    type Model = Transformer;
    type Target = Tensor<2, Int>;

    const DRAWS: bool = true;

    fn model(device: &Device) -> Transformer {
        filled(transformer(0.0, device))
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
        Transformer::batch(num_samples, device)
    }

    fn loss(logits: Tensor<3>, target: Tensor<2, Int>) -> Tensor<1> {
        Transformer::loss(logits, target)
    }
}
