//! What one chunk of a stage does: forward, recompute and backward of one micro-batch.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use burn_pipeline_plan::{Instruction, Op};

use super::gradients::LayerGradients;
use super::inbox::Stopped;
use super::kept::{Abandoned, Kept, Outputs};
use super::layers::{StageLayers, finish, flush};
use super::report::Halt;
use super::task::{ChunkResult, ChunkTask, Sink, Source};
use crate::layer::Sequential;
use crate::rematerialize::{Pass, StageCopies};
use crate::signal::{AnySignal, FloatGradients, Passing, Witness};

/// What an instruction waited for.
pub(crate) enum Arrival {
    Boundary(AnySignal),
    Gradient(FloatGradients),
    Nothing,
}

/// The layers of one chunk at work on a step.
pub(crate) struct Chunk<M> {
    task: ChunkTask,
    copies: StageCopies<M>,
    recomputed: HashSet<usize>,
    kept: HashMap<usize, Kept<M>>,
    sums: LayerGradients,
    /// Of what was computed last.
    witness: Witness,
    moving: Duration,
}

impl<M: Sequential> Chunk<M> {
    /// Make the copies of the layers that the step works on.
    pub(crate) fn new(task: ChunkTask, model: M, recomputed: HashSet<usize>) -> Self {
        let layers = &task.layers;
        // What nothing is run backward through is not run forward again.
        let recomputed = match task.trains {
            true => recomputed,
            false => HashSet::new(),
        };
        let recomputes = !recomputed.is_empty();
        let copies = StageCopies::new(
            model,
            layers.range.clone(),
            layers.facts.clone(),
            &layers.device,
            recomputes,
            layers.samples.clone(),
            task.decays.clone(),
        );
        let sums = LayerGradients::new(layers.range.clone(), layers.device.in_full_precision());
        Self {
            task,
            copies,
            recomputed,
            kept: HashMap::new(),
            sums,
            witness: Witness::default(),
            moving: Duration::ZERO,
        }
    }

    pub(crate) fn layers(&self) -> &StageLayers {
        &self.task.layers
    }

    /// How long data was moved since this was last asked.
    pub(super) fn take_moving(&mut self) -> Duration {
        std::mem::take(&mut self.moving)
    }

    /// Wait for what an instruction works on.
    pub(super) fn wait(&mut self, instruction: Instruction) -> Result<Arrival, Stopped> {
        let micro_batch = instruction.micro_batch();
        match (instruction.op(), &mut self.task.source, &mut self.task.sink) {
            (Op::Forward, Source::Batch(boundaries), _) => Ok(boundaries
                .remove(&micro_batch)
                .map_or(Arrival::Nothing, Arrival::Boundary)),
            (Op::Forward, Source::Before(boundaries), _) => {
                Ok(Arrival::Boundary(boundaries.receive(micro_batch)?))
            }
            (
                Op::Backward,
                _,
                Sink::Next {
                    gradients: Some(gradients),
                    ..
                },
            ) => Ok(Arrival::Gradient(gradients.receive(micro_batch)?)),
            _ => Ok(Arrival::Nothing),
        }
    }

    pub(crate) fn execute(
        &mut self,
        instruction: Instruction,
        arrival: Arrival,
    ) -> Result<(), Halt> {
        let micro_batch = instruction.micro_batch();
        match (instruction.op(), arrival) {
            (Op::Forward, Arrival::Boundary(boundary)) => self.forward(micro_batch, boundary),
            (Op::Forward, _) => unreachable!("a validated schedule runs each forward once"),
            (Op::Recompute, _) => self.recompute(micro_batch),
            (Op::Backward, Arrival::Gradient(gradients)) => self.backward(micro_batch, gradients),
            (Op::Backward, _) => {
                let gradients = self.loss_gradients(micro_batch);
                self.backward(micro_batch, gradients)
            }
        }
    }

    /// What the chunk has to show once its instructions have run.
    pub(super) fn result(&mut self) -> Result<ChunkResult, Halt> {
        let statistics = self.copies.statistics();
        finish(&self.task.layers, std::mem::take(&mut self.witness))?;
        Ok(ChunkResult {
            part: self.task.part,
            gradients: self.sums.take(),
            statistics,
            num_bytes_received: self.task.layers.device.num_bytes_received(),
        })
    }

    /// Drop the ends of its channels, so that the stages beside it stop.
    pub(crate) fn abandon(self) -> Abandoned<M> {
        Abandoned::new(self.copies, self.kept)
    }

    fn forward(&mut self, micro_batch: usize, boundary: AnySignal) -> Result<(), Halt> {
        let started = Instant::now();
        let device = &self.task.layers.device;
        let boundary = match &self.task.source {
            // What the caller gives comes from no stage. A boundary is not cast: where layers send
            // more than half precision, a cut between them must not take it away.
            Source::Batch(_) => {
                let given = device.counting().receiving_in(None);
                boundary.receive(&given).cast(device)
            }
            Source::Before(boundaries) if boundaries.is_carried() => {
                boundary.receive(&device.counting())
            }
            Source::Before(_) => boundary.receive(device),
        };
        self.moving += started.elapsed();
        if let Some(probe) = self.copies.probe() {
            let device = self.task.layers.device.in_full_precision();
            let inputs = boundary.clone().cast(&device).into_leaves(&device, false);
            self.task.layers.train(&probe, micro_batch, inputs);
            self.copies.learn(&probe);
        }
        if !self.task.trains {
            let inputs = boundary.into_leaves(&self.task.layers.device, false);
            let copy = self.copies.copy(Pass::Tracked);
            let outputs = self.run(&copy, micro_batch, inputs, Pass::Tracked);
            self.deliver(micro_batch, outputs, Pass::Tracked)?;
            return Ok(());
        }
        if !self.recomputed.contains(&micro_batch) {
            return self.record(micro_batch, boundary, Pass::Tracked);
        }

        self.kept
            .insert(micro_batch, Kept::Boundary(boundary.clone()));
        let inputs = boundary.into_leaves(&self.task.layers.device, false);
        let copy = self.copies.copy(Pass::Untracked);
        let outputs = self.run(&copy, micro_batch, inputs, Pass::Untracked);
        self.deliver(micro_batch, outputs, Pass::Untracked)?;
        Ok(())
    }

    fn recompute(&mut self, micro_batch: usize) -> Result<(), Halt> {
        if !self.task.trains {
            return Ok(());
        }
        match self.kept.remove(&micro_batch) {
            Some(Kept::Boundary(boundary)) => self.record(micro_batch, boundary, Pass::Recompute),
            _ => unreachable!("a validated schedule recomputes what it has run forward"),
        }
    }

    /// Run the layers and keep the graph. The leaves are kept first: should a layer fail, they
    /// lead to what it has recorded until then.
    fn record(&mut self, micro_batch: usize, boundary: AnySignal, pass: Pass) -> Result<(), Halt> {
        let leaves = boundary.into_leaves(&self.task.layers.device, self.task.gradients.is_some());
        let copy = self.copies.copy(pass);
        let started = Kept::Started {
            leaves: leaves.clone(),
            copy: copy.clone(),
        };
        self.kept.insert(micro_batch, started);
        let outputs = self.run(&copy, micro_batch, leaves.clone(), pass);
        let outputs = self.deliver(micro_batch, outputs, pass)?;
        self.kept.insert(
            micro_batch,
            Kept::Graph {
                leaves,
                outputs,
                copy,
            },
        );
        Ok(())
    }

    fn run(&mut self, copy: &M, micro_batch: usize, inputs: AnySignal, pass: Pass) -> AnySignal {
        self.copies.start(copy, pass);
        let outputs = self.task.layers.train(copy, micro_batch, inputs);
        self.copies.keep(copy, pass, micro_batch);
        outputs
    }

    /// Send the outputs on, or compute their loss.
    fn deliver(
        &mut self,
        micro_batch: usize,
        outputs: AnySignal,
        pass: Pass,
    ) -> Result<Outputs, Halt> {
        match &mut self.task.sink {
            Sink::Next { boundaries, .. } => {
                if pass != Pass::Recompute {
                    let started = Instant::now();
                    let boundary = outputs.clone().into_plain();
                    flush(&self.task.layers);
                    boundaries.send(micro_batch, boundary)?;
                    self.moving += started.elapsed();
                }
                Ok(Outputs::Signal(outputs))
            }
            Sink::Loss(end) => {
                self.task.layers.position.in_loss = true;
                let entered = self.task.layers.enter_loss(micro_batch);
                let loss = end.loss(micro_batch, outputs.clone(), pass);
                drop(entered);
                self.task.layers.position.in_loss = false;
                if let Some(loss) = &loss {
                    self.witness.replace(self.task.layers.device.witness(loss));
                }
                Ok(match loss {
                    Some(loss) if loss.is_tracked() => Outputs::Loss(Box::new(loss)),
                    _ => Outputs::Signal(outputs),
                })
            }
        }
    }

    fn backward(&mut self, micro_batch: usize, arrived: FloatGradients) -> Result<(), Halt> {
        if !self.task.trains {
            return Ok(());
        }
        let Some(Kept::Graph {
            leaves,
            outputs,
            copy,
        }) = self.kept.remove(&micro_batch)
        else {
            unreachable!("a validated schedule runs backward what it has recorded");
        };

        // Should the backward pass fail, the leaves lead to what is left of the graph.
        let started = Kept::Started {
            leaves: leaves.clone(),
            copy: copy.clone(),
        };
        self.kept.insert(micro_batch, started);

        let (root, passing) = self.root(outputs, arrived);
        let mut gradients = root.map(|root| self.task.layers.device.in_turn(|| root.backward()));
        let mut sent = FloatGradients::default();
        if self.task.gradients.is_some() {
            sent = leaves.gradients(gradients.as_mut(), passing, &self.task.layers.device);
        }
        if let Some(gradients) = &mut gradients {
            self.witness.replace(self.sums.accumulate(&copy, gradients));
        }
        drop(gradients);
        self.kept.remove(&micro_batch);

        let started = Instant::now();
        flush(&self.task.layers);
        if let Some(gradients) = &self.task.gradients {
            gradients.send(micro_batch, sent)?;
        }
        self.moving += started.elapsed();
        Ok(())
    }

    /// What a loss that waited for all outputs gives back.
    fn loss_gradients(&mut self, micro_batch: usize) -> FloatGradients {
        let Sink::Loss(end) = &mut self.task.sink else {
            return FloatGradients::default();
        };
        self.task.layers.position.in_loss = true;
        let entered = self.task.layers.enter_whole_loss();
        let gradients = end.gradients(micro_batch);
        drop(entered);
        self.task.layers.position.in_loss = false;
        gradients
    }

    /// Where the backward pass begins, nothing where no gradient arrives, and what passes by.
    fn root(&mut self, outputs: Outputs, arrived: FloatGradients) -> (Option<Tensor<1>>, Passing) {
        let outputs = match outputs {
            Outputs::Loss(loss) => return (Some(*loss), Passing::default()),
            Outputs::Signal(outputs) => outputs,
        };
        let started = Instant::now();
        let (arrived, passing) = match &self.task.sink {
            // The loss is on this stage.
            Sink::Loss(_) => {
                outputs.receive_gradients(arrived, &self.task.layers.device.counting())
            }
            // What came by a carrier is counted.
            Sink::Next {
                gradients: Some(gradients),
                ..
            } if gradients.is_carried() => {
                outputs.receive_gradients(arrived, &self.task.layers.device.counting())
            }
            Sink::Next { .. } => outputs.receive_gradients(arrived, &self.task.layers.device),
        };
        self.moving += started.elapsed();
        let root = outputs.root(arrived);
        if root.is_none() {
            // A graph that is dropped without a backward pass stays in memory for good.
            let unused = outputs.sum_of_floats();
            drop(unused.map(|unused| self.task.layers.device.in_turn(|| unused.backward())));
        }
        (root, passing)
    }
}
