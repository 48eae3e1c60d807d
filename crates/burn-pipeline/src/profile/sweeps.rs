//! Going through a model layer by layer, as often as it takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;

use burn_pipeline_plan::Measurement;

use super::base::Progress;
use super::clock::median;
use super::kept::{Kept, LiveBytes, PeakBytes};
use super::loss::{self, Loss, LossRound};
use super::neighbours::Neighbours;
use super::round::{Place, Times};
use super::window::{Round, Window};
use crate::PipelineError;
use crate::engine::Workers;
use crate::error::message_of;
use crate::layer::Sequential;
use crate::rematerialize::LayerFacts;
use crate::signal::{AnySignal, StageDevice};

/// What is measured, where.
pub(super) struct Sweeps<M> {
    pub(super) model: M,
    pub(super) facts: Arc<Vec<LayerFacts>>,
    pub(super) device: StageDevice,
    /// The first worker measures, the others are its neighbours.
    pub(super) workers: Workers,
    pub(super) num_neighbours: usize,
    pub(super) layers_at_once: usize,
    pub(super) live: Option<LiveBytes>,
    pub(super) peak: Option<PeakBytes>,
    /// Of each layer's parameters.
    pub(super) gradient_bytes: Vec<u64>,
    pub(super) sizes: Vec<Size>,
}

/// Micro-batches of one size.
pub(super) struct Size {
    pub(super) num_samples: usize,
    pub(super) input: AnySignal,
    pub(super) loss: Option<Loss>,
}

/// What was found for micro-batches of one size.
#[derive(Default)]
struct Found {
    /// Of each layer, by sweep.
    rounds: Vec<Vec<Times>>,
    output_bytes: Vec<u64>,
    kept: Vec<Kept>,
    loss: Vec<LossRound>,
}

/// The measurements of each layer and of the loss, by number of samples.
pub(super) struct Measured {
    pub(super) layers: Vec<Vec<Measurement>>,
    pub(super) loss: Vec<Measurement>,
}

impl<M: Sequential + 'static> Sweeps<M> {
    /// Go through the model so often. A few layers after the others, so that no more of them are on
    /// the device; again and again, so that what slows the machine down for a while is not one layer's.
    pub(super) fn run(
        mut self,
        repetitions: usize,
        progress: Option<&Progress>,
    ) -> Result<Measured, PipelineError> {
        let num_layers = self.facts.len();
        let mut found: Vec<Found> = self.sizes.iter().map(|_| Found::new(num_layers)).collect();
        for sweep in 0..repetitions {
            let mut signals: Vec<_> = self.sizes.iter().map(|it| it.input.clone()).collect();
            for start in (0..num_layers).step_by(self.layers_at_once) {
                if let Some(progress) = progress {
                    let done = sweep * num_layers + start;
                    progress(done, repetitions * num_layers, &self.facts[start].path);
                }
                for (size, found) in found.iter_mut().enumerate() {
                    let window = Window {
                        first: self.place(start, size, signals[size].clone()),
                        num_layers: self.layers_at_once.min(num_layers - start),
                    };
                    for round in self.rounds(&window)? {
                        found.rounds[round.place.layer].push(round.times);
                        signals[size] = round.outputs.clone();
                        if sweep > 0 {
                            continue;
                        }
                        found.output_bytes.push(round.outputs.num_bytes());
                        if let Some(live) = self.live {
                            found.kept.push(self.kept(round.place, live)?);
                        }
                    }
                }
            }
            for (size, outputs) in signals.into_iter().enumerate() {
                if let Some(round) = self.loss(size, outputs)? {
                    found[size].loss.push(round);
                }
            }
        }
        if let Some(progress) = progress {
            let total = repetitions * num_layers;
            progress(total, total, "");
        }
        Ok(self.measured(&found))
    }

    fn place(&self, layer: usize, size: usize, input: AnySignal) -> Place<M> {
        Place {
            model: self.model.clone(),
            facts: self.facts.clone(),
            device: self.device.clone(),
            layer,
            num_samples: self.sizes[size].num_samples,
            input,
        }
    }

    fn rounds(&self, window: &Window<M>) -> Result<Vec<Round<M>>, PipelineError> {
        let neighbours = Neighbours::start(&self.workers, self.num_neighbours, window);
        let measured = window.clone();
        let mut left = 1;
        let rounds = self.on_worker(move || {
            measured.run(|| {
                left -= 1;
                left == 0
            })
        });
        drop(neighbours);
        rounds
            .and_then(|rounds| rounds)
            .map_err(PipelineError::Profile)
    }

    fn kept(&self, place: Place<M>, live: LiveBytes) -> Result<Kept, PipelineError> {
        let name = place.name();
        let peak = self.peak;
        let kept = self.on_worker(move || place.kept(live, peak).0);
        kept.map_err(|error| PipelineError::Profile(format!("{name} failed: {error}")))
    }

    fn loss(
        &mut self,
        size: usize,
        outputs: AnySignal,
    ) -> Result<Option<LossRound>, PipelineError> {
        let Size {
            num_samples, loss, ..
        } = &mut self.sizes[size];
        let (num_samples, loss) = (*num_samples, loss.take());
        let Some(loss) = loss else {
            return Ok(None);
        };
        let device = self.device.clone();
        let run = self.on_worker(move || loss::run(loss, &outputs, num_samples, &device));
        let (loss, round) = run.and_then(|it| it).map_err(PipelineError::Profile)?;
        self.sizes[size].loss = Some(loss);
        Ok(Some(round))
    }

    /// Do `work` on the thread that measures, and wait for it.
    fn on_worker<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let (sender, outcome) = channel();
        self.workers.start(
            0,
            Box::new(move || {
                let done = catch_unwind(AssertUnwindSafe(work));
                let _ = sender.send(done.map_err(|panic| message_of(panic.as_ref())));
            }),
        );
        let gone = || Err("the worker that measures is gone".to_string());
        outcome.recv().unwrap_or_else(|_| gone())
    }

    fn measured(&self, found: &[Found]) -> Measured {
        let measurement = |size: usize, layer: usize| {
            let found = &found[size];
            let output_bytes = found.output_bytes[layer];
            let middle =
                |of: fn(&Times) -> f64| median(found.rounds[layer].iter().map(of).collect());
            let kept = found.kept.get(layer);
            let activation_bytes = match (kept, found.kept.get(layer + 1)) {
                (Some(kept), Some(next)) => kept.before(*next),
                (Some(kept), None) => kept.at_the_end(),
                (None, _) => output_bytes,
            };
            let peaks = kept.and_then(|kept| kept.peaks);
            Measurement {
                num_samples: self.sizes[size].num_samples,
                forward: middle(|it| it.forward),
                recorded_forward: middle(|it| it.recorded_forward),
                backward: middle(|it| it.backward),
                pull_back: middle(|it| it.pull_back),
                activation_bytes,
                output_bytes,
                working_bytes: peaks
                    .map(|it| it.beyond(activation_bytes, self.gradient_bytes[layer])),
            }
        };
        let sizes = 0..self.sizes.len();
        let layers = (0..self.facts.len()).map(|layer| {
            let sizes = sizes.clone();
            sizes.map(|size| measurement(size, layer)).collect()
        });
        let losses = sizes.clone().filter(|size| !found[*size].loss.is_empty());
        let loss = losses.map(|size| {
            let rounds = &found[size].loss;
            let middle = |of: fn(&LossRound) -> f64| median(rounds.iter().map(of).collect());
            Measurement {
                num_samples: self.sizes[size].num_samples,
                forward: middle(|it| it.forward),
                recorded_forward: middle(|it| it.recorded_forward),
                backward: middle(|it| it.backward),
                ..Measurement::default()
            }
        });
        Measured {
            layers: layers.collect(),
            loss: loss.collect(),
        }
    }
}

impl Found {
    fn new(num_layers: usize) -> Self {
        Self {
            rounds: (0..num_layers).map(|_| Vec::new()).collect(),
            ..Self::default()
        }
    }
}
