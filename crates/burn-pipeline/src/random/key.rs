/// The seed of one run of one layer, the same whenever it is computed.
///
/// `layer` and `micro_batch` count from 0. The arguments are mixed one after the other with the
/// finalizer of SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number
/// generators*, 2014).
pub fn layer_seed(seed: u64, step: u64, layer: usize, micro_batch: usize) -> u64 {
    mixed(seed, [step, layer as u64, micro_batch as u64])
}

/// `parts` mixed into `seed`, one after the other.
pub(super) fn mixed<const N: usize>(seed: u64, parts: [u64; N]) -> u64 {
    parts
        .into_iter()
        .fold(mix(seed), |state, part| mix(state ^ part))
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbouring_runs_have_different_seeds() {
        let mut seeds = HashSet::new();
        for seed in 0..4 {
            for step in 0..8 {
                for layer in 0..8 {
                    for micro_batch in 0..8 {
                        seeds.insert(layer_seed(seed, step, layer, micro_batch));
                    }
                }
            }
        }
        assert_eq!(seeds.len(), 4 * 8 * 8 * 8);
    }
}
