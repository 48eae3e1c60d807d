//! One layer at work as in a stage of its own.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use burn_pipeline_plan::Instruction;

use super::clock::timed;
use super::signals::{gradients_of, pulled_back};
use crate::engine::{
    Arrival, Cancel, Chunk, ChunkTask, Halt, Inbox, Position, Sink, Source, StageLayers, mailbox,
};
use crate::layer::Sequential;
use crate::rematerialize::{Decays, LayerFacts};
use crate::signal::{AnySignal, FloatGradients, StageDevice};

/// A layer, and a micro-batch that reaches it.
#[derive(Clone)]
pub(super) struct Place<M> {
    pub(super) model: M,
    pub(super) facts: Arc<Vec<LayerFacts>>,
    pub(super) device: StageDevice,
    pub(super) layer: usize,
    pub(super) num_samples: usize,
    pub(super) input: AnySignal,
}

/// What one round took, in seconds.
#[derive(Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) forward: f64,
    pub(super) recorded_forward: f64,
    pub(super) backward: f64,
    pub(super) pull_back: f64,
}

/// A layer as a stage would hold it, and what it took in this round.
pub(super) struct Bench<M> {
    pub(super) place: Place<M>,
    chunk: Chunk<M>,
    outputs: Inbox<AnySignal>,
    gradients: Option<Inbox<FloatGradients>>,
    times: Times,
}

impl<M: Sequential> Place<M> {
    /// Where this is, in words.
    pub(super) fn name(&self) -> String {
        let path = &self.facts[self.layer].path;
        format!("layer {} (`{path}`)", self.layer)
    }

    /// Whether the layer's input has a gradient.
    pub(super) fn trains_before(&self) -> bool {
        let before = &self.facts[..self.layer];
        before.iter().any(|facts| facts.trainable)
    }

    /// Whether there is anything to run backward.
    pub(super) fn trains(&self) -> bool {
        self.trains_before() || self.facts[self.layer].trainable
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.layer..self.layer + 1
    }

    /// The layer alone. There is more than one micro-batch in a step.
    pub(super) fn layers(&self) -> StageLayers {
        let num_samples = self.num_samples;
        StageLayers {
            range: self.range(),
            facts: self.facts.clone(),
            device: self.device.counting(),
            seed: 0,
            step: 0,
            samples: Arc::new(vec![0..num_samples, num_samples..2 * num_samples]),
            position: Position::default(),
            cancel: Cancel::default(),
        }
    }

    /// The layer as a stage would hold it.
    pub(super) fn bench(self) -> Bench<M> {
        let cancel = Cancel::default();
        let (boundaries, outputs) = mailbox(None, &cancel);
        let (sent, gradients) = match self.trains_before() {
            true => {
                let (sent, gradients) = mailbox(None, &cancel);
                (Some(sent), Some(gradients))
            }
            false => (None, None),
        };
        let task = ChunkTask {
            part: 0,
            layers: self.layers(),
            decays: Decays::default(),
            source: Source::Batch(HashMap::new()),
            sink: Sink::Next {
                boundaries,
                gradients: None,
            },
            trains: self.trains(),
            gradients: sent,
        };
        Bench {
            chunk: Chunk::new(task, self.model.clone(), HashSet::from([0])),
            place: self,
            outputs,
            gradients,
            times: Times::default(),
        }
    }
}

impl<M: Sequential> Bench<M> {
    /// The pass that only computes, which returns what the layer sends.
    pub(super) fn forward(&mut self) -> AnySignal {
        let input = Arrival::Boundary(self.place.input.clone());
        let forward = self.execute(Instruction::forward(0), input);
        self.times = Times {
            forward,
            recorded_forward: forward,
            ..Times::default()
        };
        let outputs = self.outputs.receive(0);
        outputs.unwrap_or_else(|_| unreachable!("a forward sends what it made"))
    }

    /// The pass that records.
    pub(super) fn recompute(&mut self) {
        if self.place.trains() {
            self.times.recorded_forward = self.execute(Instruction::recompute(0), Arrival::Nothing);
        }
    }

    /// The backward pass from what the layer has sent. This ends the round.
    pub(super) fn backward(&mut self, outputs: &AnySignal) -> Times {
        if !self.place.trains() {
            return self.times;
        }
        let device = self.place.device.clone();
        let gradients = gradients_of(outputs, &device);
        let backward = self.execute(Instruction::backward(0), Arrival::Gradient(gradients));
        if let Some(gradients) = &mut self.gradients {
            drop(gradients.receive(0));
        }

        let gradients = gradients_of(outputs, &device);
        // Skips pass by.
        let outputs = outputs.clone().receive(&device);
        let (_, pull_back) = timed(device.device(), || {
            let outputs = outputs;
            drop(pulled_back(&outputs, Some(gradients), &device));
        });
        let pull_back = pull_back.min(backward);
        Times {
            backward: backward - pull_back,
            pull_back,
            ..self.times
        }
    }

    /// Give up in the middle of a round.
    pub(super) fn abandon(self) {
        self.chunk.abandon().sweep();
    }

    fn execute(&mut self, instruction: Instruction, arrival: Arrival) -> f64 {
        let device = self.place.device.device();
        let chunk = &mut self.chunk;
        let (outcome, seconds) = timed(device, || chunk.execute(instruction, arrival));
        match outcome {
            Ok(()) => seconds,
            Err(Halt::Failed { error, .. }) => panic!("{}", error.message),
            Err(Halt::Stopped) => unreachable!("nothing stops a layer that is alone"),
        }
    }
}
