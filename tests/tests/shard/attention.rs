//! Self-attention by heads.

use burn::nn::attention::MultiHeadAttentionConfig;
use burn::nn::{EmbeddingConfig, LayerNorm, LayerNormConfig};
use burn::tensor::Device;
use burn_pipeline::{Ranked, ranked};
use rstest::rstest;

use super::support::{check, split};

#[rstest]
#[case([1, 1, 1, 1])]
#[case([3, 1, 1, 1])]
#[case([1, 2, 1, 1])]
#[case([1, 3, 1, 1])]
#[case([2, 3, 1, 1])]
fn heads(#[case] degrees: [usize; 4], #[values(false, true)] quiet: bool) {
    let make = |device: &Device| -> (_, Ranked<LayerNorm, 3>, _) {
        (
            EmbeddingConfig::new(7, 6).init(device),
            ranked(LayerNormConfig::new(6).init(device)),
            MultiHeadAttentionConfig::new(6, 3)
                .with_dropout(0.0)
                .with_quiet_softmax(quiet)
                .with_key_bias(false)
                .with_value_bias(!quiet)
                .init(device),
        )
    };
    let configurations = [[1, 2, 1, 1], [1, 1, 2, 1], degrees].map(split);
    check(make, &configurations, &[4, 5]);
}
