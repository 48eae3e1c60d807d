//! How many blocks a limit should have room for.

use burn_pipeline::Rematerialization;

use crate::memory::Sizes;

/// How many blocks should train on one device with `left` bytes for tensors; 1 at least.
///
/// A block has its parameters and Adam's two states. Where nothing is recomputed there are the
/// activations of the whole mini-batch, which gradients take the place of; in a pipeline those of a
/// micro-batch beside their sum. Where it is, the sum of gradients is there already when the next
/// micro-batch has its activations. Temporary tensors of kernels do not count.
pub fn most_blocks(
    left: f64,
    block: &Sizes,
    batch_size: usize,
    num_micro_batches: usize,
    mode: Option<Rematerialization>,
) -> usize {
    let batch_size = batch_size as f64;
    let activations = block.activations * batch_size;
    let of_one = activations / num_micro_batches as f64;
    let boundaries = block.boundary * batch_size;
    let parameters = block.parameters;
    let (once, each) = match mode {
        None => (
            2.0 * boundaries,
            3.0 * parameters + activations.max(parameters),
        ),
        Some(Rematerialization::Never) => (
            boundaries,
            3.0 * parameters + activations.max(2.0 * parameters),
        ),
        Some(_) => (boundaries, 4.0 * parameters + of_one.max(parameters)),
    };
    (((left - once) / each) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Sizes = Sizes {
        parameters: 8.0,
        activations: 10.0,
        boundary: 1.0,
    };

    #[test]
    fn rematerialization_counts_one_micro_batch() {
        // 4 * 8 + 20 each, and 8 once.
        let always = Some(Rematerialization::Always);
        assert_eq!(most_blocks(8.0 + 5.0 * 52.0, &BLOCK, 8, 4, always), 5);
        assert_eq!(most_blocks(7.0 + 5.0 * 52.0, &BLOCK, 8, 4, always), 4);
        // 3 * 8 + 80 each.
        let never = Some(Rematerialization::Never);
        assert_eq!(most_blocks(8.0 + 5.0 * 104.0, &BLOCK, 8, 4, never), 5);
    }

    #[test]
    fn the_plain_model_keeps_the_whole_mini_batch() {
        // 3 * 8 + 80 each, and 16 once.
        assert_eq!(most_blocks(16.0 + 2.0 * 104.0, &BLOCK, 8, 1, None), 2);
    }
}
