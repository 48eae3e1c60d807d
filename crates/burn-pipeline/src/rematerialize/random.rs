use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::signal::StageDevice;

/// Which layers draw random numbers while training.
///
/// Burn's generator belongs to the process, not to a layer or a thread. A layer that draws from it
/// would get other numbers under another partition, and other ones again when it is recomputed. So
/// a pipeline seeds the generator before each run of such a layer, with
/// [`layer_seed`](crate::layer_seed), and holds one lock from seeding to the last draw: the same
/// numbers for every partition, schedule and rematerialization. It costs overlap: of all layers that
/// draw, in all pipelines of the process, one runs forward at a time. Backward passes draw nothing
/// and overlap as ever.
///
/// The [`Dropout`](crate::Dropout) and [`GaussianNoise`](crate::GaussianNoise) of this crate draw
/// from no generator. They need no lock, whatever is said here.
///
/// Numbers that other threads of your program draw from Burn's generator meanwhile are as
/// repeatable as before: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RandomLayers {
    /// Those with an active `Dropout`, `GaussianNoise` or `RRelu` of `burn::nn` in them. A
    /// `Dropout` counts whatever its probability is: leave it out of the model to do without the
    /// lock, as an `Option<Dropout>` say, or take [`Dropout`](crate::Dropout) instead.
    #[default]
    Detect,
    /// All of them: for layers that call Burn's generator themselves. The loss is not one of them:
    /// what it draws from Burn's generator differs when it is recomputed.
    Every,
    /// None of them: no lock. Right where the dropouts of `burn::nn` that are left all have
    /// probability 0; else their numbers depend on how threads race.
    None,
}

static GENERATOR: Mutex<()> = Mutex::new(());

/// The right to draw from the process-wide generator as it is, held until dropped.
pub(crate) fn generator() -> MutexGuard<'static, ()> {
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to draw from the generator once it is seeded, held until dropped.
pub(crate) struct Draw<'a> {
    stage: &'a StageDevice,
    _generator: MutexGuard<'static, ()>,
}

impl<'a> Draw<'a> {
    pub(crate) fn seeded(stage: &'a StageDevice, seed: u64) -> Self {
        let generator = generator();
        // Devices of one backend have one generator, which is seeded to the same again.
        for member in stage.members() {
            member.device().seed(seed);
        }
        Self {
            stage,
            _generator: generator,
        }
    }
}

impl Drop for Draw<'_> {
    /// Backends that queue their work draw when the queue is drained.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // A device that cannot flush says so again where its results are read.
            let _ = self.stage.flush();
        }
    }
}
