//! A few layers at work as in a stage that holds them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::round::{Bench, Place, Times};
use crate::error::message_of;
use crate::layer::Sequential;
use crate::signal::AnySignal;

/// Layers that follow each other, and a micro-batch that reaches the first.
#[derive(Clone)]
pub(super) struct Window<M> {
    pub(super) first: Place<M>,
    pub(super) num_layers: usize,
}

/// What a layer received and sent, and what its last round took.
pub(super) struct Round<M> {
    pub(super) place: Place<M>,
    pub(super) outputs: AnySignal,
    pub(super) times: Times,
}

impl<M: Sequential> Window<M> {
    /// Run rounds while `goes_on`, and return the last of each layer. The first one warms up: it
    /// finds out how fast running statistics move, and makes the sums of gradients that later ones
    /// add to.
    ///
    /// In a round, all layers compute, then all record, then all run backward, from the last to the
    /// first: between two passes of a layer others have had the caches and the memory, as they have
    /// in a stage.
    pub(super) fn run(self, mut goes_on: impl FnMut() -> bool) -> Result<Vec<Round<M>>, String> {
        let num_samples = self.first.num_samples;
        let mut benches: Vec<Bench<M>> = Vec::with_capacity(self.num_layers);
        let mut at = 0;
        let rounds = catch_unwind(AssertUnwindSafe(|| {
            let mut last = self.round(&mut benches, &mut at);
            while goes_on() {
                last = self.round(&mut benches, &mut at);
            }
            last
        }));
        let failed = |panic| {
            let mut place = self.first.clone();
            place.layer += at;
            let message = message_of(panic);
            let hint = match message.to_lowercase().contains("out of memory") {
                true if self.num_layers > 1 => {
                    ": put fewer layers on the device at once, or take smaller micro-batches"
                }
                true => ": take smaller micro-batches",
                false => "",
            };
            format!(
                "{} failed on {num_samples} samples: {message}{hint}",
                place.name()
            )
        };
        match rounds {
            Ok(rounds) => {
                let places = benches.into_iter().map(|bench| bench.place);
                let rounds = places.zip(rounds).map(|(place, (outputs, times))| Round {
                    place,
                    outputs,
                    times,
                });
                Ok(rounds.collect())
            }
            Err(panic) => {
                let error = failed(panic.as_ref());
                benches.into_iter().for_each(Bench::abandon);
                Err(error)
            }
        }
    }

    /// Every instruction of one micro-batch, on every layer; `at` is the one that is at work.
    fn round(&self, benches: &mut Vec<Bench<M>>, at: &mut usize) -> Vec<(AnySignal, Times)> {
        let mut sent: Vec<AnySignal> = Vec::with_capacity(self.num_layers);
        for layer in 0..self.num_layers {
            *at = layer;
            if layer == benches.len() {
                let mut place = self.first.clone();
                place.layer += layer;
                if let Some(input) = sent.last() {
                    place.input = input.clone();
                }
                benches.push(place.bench());
            }
            sent.push(benches[layer].forward());
        }
        for (layer, bench) in benches.iter_mut().enumerate() {
            *at = layer;
            bench.recompute();
        }
        let mut times = vec![Times::default(); self.num_layers];
        for (layer, bench) in benches.iter_mut().enumerate().rev() {
            *at = layer;
            times[layer] = bench.backward(&sent[layer]);
        }
        sent.into_iter().zip(times).collect()
    }
}
