use std::ops::Range;

use super::GptConfig;
use super::base::VOCABULARY;
use super::block::EXPANSION;

/// The bytes of an `f32`, and of a byte of text as the model takes it.
const NUMBER: usize = 4;

/// How many tensors of its input's shape a layer norm keeps.
const NORM: usize = 3;
/// How many tensors of its input's shape attention keeps beside its scores: queries, keys, values
/// and what is attended.
const ATTENTION: usize = 4;
/// How many tensors of the scores' shape it keeps.
const SCORES: usize = 3;
/// How many tensors of the hidden layer's shape a feed-forward network keeps: before its activation
/// and after.
const HIDDEN: usize = 2;

impl GptConfig {
    /// About the bytes that some of the layers keep of a forward pass over `num_samples` windows
    /// until the backward pass, without dropout and what graphs take for themselves. They are
    /// counted as in Korthikanti et al., *Reducing Activation Recomputation in Large Transformer
    /// Models*, 2022, section 4.1, for what Burn's graph holds in `f32`.
    pub fn kept_bytes(&self, layers: Range<usize>, num_samples: usize) -> u64 {
        let bytes = layers.map(|layer| self.kept_by(layer, num_samples));
        bytes.sum::<usize>() as u64
    }

    /// The bytes of the signal that a layer receives for `num_samples` windows.
    pub fn boundary_bytes(&self, layer: usize, num_samples: usize) -> u64 {
        let numbers = match layer {
            0 => num_samples * self.context,
            _ => num_samples * self.context * self.width,
        };
        (NUMBER * numbers) as u64
    }

    fn kept_by(&self, layer: usize, num_samples: usize) -> usize {
        let positions = num_samples * self.context;
        let scores = positions * self.num_heads * self.context;
        let numbers = match layer {
            0 => 0,
            layer if layer <= self.num_blocks => {
                let num_kept = NORM + ATTENTION + NORM + HIDDEN * EXPANSION;
                num_kept * positions * self.width + SCORES * scores
            }
            _ => positions * (NORM * self.width + VOCABULARY),
        };
        NUMBER * numbers
    }
}
