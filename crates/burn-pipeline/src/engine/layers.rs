//! Running the layers of a stage.

use std::ops::Range;
use std::sync::Arc;

use super::cancel::Cancel;
use super::report::{Halt, Position};
use crate::layer::Sequential;
use crate::random::{Entered, enter_layer, enter_step, layer_seed};
use crate::rematerialize::{Draw, LayerFacts};
use crate::signal::{AnySignal, StageDevice, Witness};

/// The layers of a stage and what it takes to run them the same way again.
pub(crate) struct StageLayers {
    pub(crate) range: Range<usize>,
    pub(crate) facts: Arc<Vec<LayerFacts>>,
    pub(crate) device: StageDevice,
    pub(crate) seed: u64,
    pub(crate) step: u64,
    /// The samples of each micro-batch.
    pub(crate) samples: Arc<Vec<Range<usize>>>,
    pub(crate) position: Position,
    pub(crate) cancel: Cancel,
}

impl StageLayers {
    /// Run them on one micro-batch as in training.
    pub(crate) fn train<M: Sequential>(
        &mut self,
        model: &M,
        micro_batch: usize,
        input: AnySignal,
    ) -> AnySignal {
        let mut signal = input;
        for index in self.range.clone() {
            self.enter(index);
            let samples = self.samples[micro_batch].clone();
            let _entered = enter_layer(self.seed, self.step, index, samples);
            let draw = self.facts[index].random.then(|| {
                let seed = layer_seed(self.seed, self.step, index, micro_batch);
                Draw::seeded(&self.device, seed)
            });
            signal = self.run(model, index, signal);
            drop(draw);
        }
        self.position.layer = None;
        signal
    }

    /// What the loss of a micro-batch draws, it draws in no layer.
    pub(crate) fn enter_loss(&self, micro_batch: usize) -> Entered {
        enter_step(self.seed, self.step, self.samples[micro_batch].clone())
    }

    /// What a loss of the whole mini-batch draws.
    pub(crate) fn enter_whole_loss(&self) -> Entered {
        let num_samples = self.samples.last().map_or(0, |samples| samples.end);
        enter_step(self.seed, self.step, 0..num_samples)
    }

    /// Run them on one micro-batch as in inference.
    pub(crate) fn infer<M: Sequential>(&mut self, model: &M, input: AnySignal) -> AnySignal {
        let mut signal = input;
        for index in self.range.clone() {
            self.enter(index);
            signal = self.run(model, index, signal);
        }
        self.position.layer = None;
        signal
    }

    fn run<M: Sequential>(&self, model: &M, index: usize, signal: AnySignal) -> AnySignal {
        let run = || model.forward_layer(index, signal);
        match self.facts[index].keeps.is_empty() {
            true => run(),
            false => self.device.in_turn(run),
        }
    }

    fn enter(&mut self, index: usize) {
        self.position.layer = Some((index, self.facts[index].path.clone()));
    }
}

/// Hand queued work to the devices before another thread touches its results.
pub(crate) fn flush(layers: &StageLayers) {
    if let Err(error) = layers.device.flush() {
        panic!("the device cannot run what was queued: {error}");
    }
}

/// Wait until the devices have done all that they were told.
pub(crate) fn finish(layers: &StageLayers, witness: Witness) -> Result<(), Halt> {
    match layers.device.finish(witness, || !layers.cancel.is_said()) {
        Ok(()) => Ok(()),
        Err(_) if layers.cancel.is_said() => Err(Halt::Stopped),
        Err(error) => panic!("{error}"),
    }
}
