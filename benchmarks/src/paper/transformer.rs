//! The Transformer of GPipe (Huang et al., 2018), section 3, layer by layer.

use super::described::{Described, Model};

const WIDTH: u64 = 2048;
const HIDDEN: u64 = 8192;
const HEADS: u64 = 32;
const VOCABULARY: u64 = 32_000;
const LENGTH: u64 = 1024;

/// `num_layers` blocks of width 2048 with hidden layers of 8192 and 32 heads, between an embedding
/// and a softmax over 32 thousand words, on sentences of 1024 words.
pub fn transformer(num_layers: usize) -> Model {
    let embedding = Described {
        name: "embedding".to_string(),
        num_parameters: VOCABULARY * WIDTH,
        num_sent: LENGTH * WIDTH,
        ..Described::default()
    };
    let softmax = Described {
        name: "softmax".to_string(),
        flops: 2 * LENGTH * WIDTH * VOCABULARY,
        num_parameters: VOCABULARY * WIDTH,
        num_kept: LENGTH * VOCABULARY,
        num_sent: 1,
    };
    let blocks = (0..num_layers).map(block);
    Model {
        name: format!("Transformer-{num_layers}"),
        layers: [embedding]
            .into_iter()
            .chain(blocks)
            .chain([softmax])
            .collect(),
        bytes_per_number: 2.0,
        kept_share: 1.0,
        input_bytes: 4.0 * LENGTH as f64,
    }
}

fn block(index: usize) -> Described {
    let matrices = 4 * WIDTH * WIDTH + 2 * WIDTH * HIDDEN;
    // Biases of the two hidden layers, and two layer norms.
    let vectors = HIDDEN + WIDTH + 4 * WIDTH;
    let scores = HEADS * LENGTH * LENGTH;
    Described {
        name: format!("blocks.{index}"),
        flops: 2 * LENGTH * matrices + 4 * LENGTH * LENGTH * WIDTH,
        num_parameters: matrices + vectors,
        // Both norms and what they read, the three projections, what attention mixes, the hidden
        // layer behind its rectifier, and the weights of attention.
        num_kept: LENGTH * (8 * WIDTH + HIDDEN) + scores,
        num_sent: LENGTH * WIDTH,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Table 1 of the paper.
    #[rstest]
    #[case(3, 282.2e6)]
    #[case(13, 785.8e6)]
    #[case(103, 5.3e9)]
    #[case(1663, 83.9e9)]
    fn a_transformer_has_the_parameters_of_the_paper(
        #[case] num_layers: usize,
        #[case] published: f64,
    ) {
        let ratio = transformer(num_layers).num_parameters() as f64 / published;
        assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
    }
}
