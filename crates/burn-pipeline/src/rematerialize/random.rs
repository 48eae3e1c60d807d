use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Which layers draw random numbers while training.
///
/// Burn's generator belongs to the process, not to a layer or a thread. A layer that draws from it
/// would get other numbers under another partition, and other ones again when it is recomputed. So
/// a pipeline seeds the generator before each run of such a layer, with [`layer_seed`], and holds
/// one lock from seeding to the last draw: the same numbers for every partition, schedule and
/// rematerialization. It costs overlap: of all layers that draw, in all pipelines of the process,
/// one runs forward at a time. Backward passes draw nothing and overlap as ever.
///
/// Numbers that other threads of your program draw from Burn's generator meanwhile are as
/// repeatable as before: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RandomLayers {
    /// Those with an active `Dropout`, `GaussianNoise` or `RRelu` of `burn::nn` in them. A
    /// `Dropout` counts whatever its probability is: leave it out of the model to do without the
    /// lock, as an `Option<Dropout>` say.
    #[default]
    Detect,
    /// All of them: for layers that call Burn's generator themselves. The loss is not one of them:
    /// what it draws differs when it is recomputed.
    Every,
    /// None of them: no lock, and numbers that depend on how threads race.
    None,
}

/// The seed of one run of one layer, the same whenever it is computed.
///
/// `layer` and `micro_batch` count from 0. The arguments are mixed one after the other with the
/// finalizer of SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number
/// generators*, 2014).
pub fn layer_seed(seed: u64, step: u64, layer: usize, micro_batch: usize) -> u64 {
    [step, layer as u64, micro_batch as u64]
        .into_iter()
        .fold(mix(seed), |state, part| mix(state ^ part))
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

static GENERATOR: Mutex<()> = Mutex::new(());

/// The right to draw from the process-wide generator as it is, held until dropped.
pub(crate) fn generator() -> MutexGuard<'static, ()> {
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to draw from the generator once it is seeded, held until dropped.
pub(crate) struct Draw<'a> {
    device: &'a Device,
    _generator: MutexGuard<'static, ()>,
}

impl<'a> Draw<'a> {
    pub(crate) fn seeded(device: &'a Device, seed: u64) -> Self {
        let generator = generator();
        device.seed(seed);
        Self {
            device,
            _generator: generator,
        }
    }
}

impl Drop for Draw<'_> {
    /// Backends that queue their work draw when the queue is drained.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // A device that cannot flush says so again where its results are read.
            let _ = self.device.flush();
        }
    }
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
