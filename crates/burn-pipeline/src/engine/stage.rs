//! The interpreter of one stage's instructions.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn_pipeline_plan::{Instruction, Op, Span};

use super::gradients::accumulate;
use super::layers::flush;
use super::report::{Halt, Position, Report, guarded};
use super::task::{Sink, Source, StageResult, StageTask};
use crate::layer::Sequential;
use crate::rematerialize::{Pass, StageCopies, Statistics};
use crate::signal::{AnySignal, FloatGradients};

/// What a stage keeps of a micro-batch in flight.
enum Kept<M> {
    /// The boundary alone, to be recomputed from.
    Boundary(AnySignal),
    /// The leaves of a graph whose forward has not ended.
    Started { leaves: AnySignal, copy: M },
    /// A recorded graph.
    Graph {
        leaves: AnySignal,
        outputs: Outputs,
        copy: M,
    },
}

enum Outputs {
    Signal(AnySignal),
    Loss(Box<Tensor<1>>),
}

/// What an instruction waited for.
enum Arrival {
    Boundary(AnySignal),
    Gradient(FloatGradients),
    Nothing,
}

struct Stage<M> {
    task: StageTask<M>,
    copies: StageCopies<M>,
    recomputed: HashSet<usize>,
    kept: HashMap<usize, Kept<M>>,
    sums: GradientsParams,
}

impl<M: Sequential> StageTask<M> {
    /// Run the instructions to the end, or until this stage or a neighbour fails.
    pub(crate) fn run(self) -> Report<StageResult> {
        let stage = self.stage;
        let mut spans = Vec::new();
        let outcome = self.start().and_then(|run| run.finish(&mut spans));
        Report {
            stage,
            outcome,
            spans,
        }
    }

    /// Make the copies that the step works on.
    fn start(mut self) -> Result<Stage<M>, Halt> {
        let first = self.instructions[0];
        let recomputes = |instruction: &&Instruction| instruction.op() == Op::Recompute;
        let recomputed: HashSet<usize> = self
            .instructions
            .iter()
            .filter(recomputes)
            .map(|instruction| instruction.micro_batch())
            .collect();
        let copies = guarded(
            self.stage,
            first,
            &mut self,
            |task| {
                let (model, layers) = (task.model.clone(), task.layers.range.clone());
                let device = &task.layers.device;
                Ok(StageCopies::new(
                    model,
                    layers,
                    device,
                    !recomputed.is_empty(),
                ))
            },
            |_| Position::default(),
        )?;
        Ok(Stage {
            task: self,
            copies,
            recomputed,
            kept: HashMap::new(),
            sums: GradientsParams::new(),
        })
    }
}

impl<M: Sequential> Stage<M> {
    fn finish(mut self, spans: &mut Vec<Span>) -> Result<StageResult, Halt> {
        match self.run(spans) {
            Ok(statistics) => Ok(StageResult {
                gradients: self.sums,
                statistics,
            }),
            Err(halt) => {
                self.abandon();
                Err(halt)
            }
        }
    }

    fn run(&mut self, spans: &mut Vec<Span>) -> Result<Statistics, Halt> {
        let stage = self.task.stage;
        let instructions = std::mem::take(&mut self.task.instructions);
        for &instruction in &instructions {
            let arrival = self.wait(instruction)?;
            let start = self.task.start.elapsed().as_secs_f64();
            guarded(
                stage,
                instruction,
                self,
                |stage| stage.execute(instruction, arrival),
                |stage| stage.task.layers.position.clone(),
            )?;
            let end = self.task.start.elapsed().as_secs_f64();
            spans.push(Span::new(stage, instruction, start, end));
        }

        guarded(
            stage,
            instructions[instructions.len() - 1],
            self,
            |stage| {
                let statistics = stage.copies.statistics();
                flush(&stage.task.layers);
                Ok(statistics)
            },
            |_| Position::default(),
        )
    }

    fn wait(&mut self, instruction: Instruction) -> Result<Arrival, Halt> {
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

    fn execute(&mut self, instruction: Instruction, arrival: Arrival) -> Result<(), Halt> {
        let micro_batch = instruction.micro_batch();
        match (instruction.op(), arrival) {
            (Op::Forward, Arrival::Boundary(boundary)) => self.forward(micro_batch, boundary),
            (Op::Forward, _) => unreachable!("a validated schedule runs each forward once"),
            (Op::Recompute, _) => self.recompute(micro_batch),
            (Op::Backward, Arrival::Gradient(gradients)) => self.backward(micro_batch, gradients),
            (Op::Backward, _) => self.backward(micro_batch, FloatGradients::default()),
        }
    }

    fn forward(&mut self, micro_batch: usize, boundary: AnySignal) -> Result<(), Halt> {
        let boundary = boundary.receive(&self.task.layers.device);
        if !self.recomputed.contains(&micro_batch) {
            return self.record(micro_batch, boundary, Pass::Tracked);
        }

        self.kept
            .insert(micro_batch, Kept::Boundary(boundary.clone()));
        let inputs = boundary.into_leaves(&self.task.layers.device, false);
        let copy = self.copies.copy(Pass::Untracked);
        let outputs = self.task.layers.train(&copy, micro_batch, inputs);
        self.deliver(micro_batch, outputs, Pass::Untracked)?;
        Ok(())
    }

    fn recompute(&mut self, micro_batch: usize) -> Result<(), Halt> {
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
        let outputs = self.task.layers.train(&copy, micro_batch, leaves.clone());
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
                    let boundary = outputs.clone().into_plain();
                    flush(&self.task.layers);
                    boundaries.send(micro_batch, boundary)?;
                }
                Ok(Outputs::Signal(outputs))
            }
            Sink::Loss(end) => {
                self.task.layers.position.in_loss = true;
                let loss = end.loss(micro_batch, outputs.clone(), pass);
                self.task.layers.position.in_loss = false;
                Ok(match loss.is_tracked() {
                    true => Outputs::Loss(Box::new(loss)),
                    false => Outputs::Signal(outputs),
                })
            }
        }
    }

    fn backward(&mut self, micro_batch: usize, arrived: FloatGradients) -> Result<(), Halt> {
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

        let (root, unused) = match outputs {
            Outputs::Loss(loss) => (Some(*loss), None),
            Outputs::Signal(outputs) => {
                let root = outputs.root(arrived, &self.task.layers.device);
                let unused = match &root {
                    Some(_) => None,
                    None => outputs.sum_of_floats(),
                };
                (root, unused)
            }
        };
        // A graph that is dropped without a backward pass stays in memory for good.
        if let Some(unused) = unused {
            drop(unused.backward());
        }

        let mut sent = FloatGradients::default();
        if let Some(root) = root {
            let mut gradients = root.backward();
            drop(root);
            if self.task.gradients.is_some() {
                sent = leaves.gradients(&mut gradients);
            }
            accumulate(
                &copy,
                &self.task.layers.range,
                &mut gradients,
                &mut self.sums,
            );
        }
        self.kept.remove(&micro_batch);
        flush(&self.task.layers);
        if let Some(gradients) = &self.task.gradients {
            gradients.send(micro_batch, sent)?;
        }
        Ok(())
    }

    /// Leave nothing of a step that does not end. Neighbours learn of it first; then one backward
    /// pass through the leaves takes every graph that was recorded on them out of memory.
    fn abandon(self) {
        let Self {
            task, copies, kept, ..
        } = self;
        let StageTask {
            source,
            sink,
            gradients,
            ..
        } = task;
        drop((source, sink, gradients));

        // A device that has failed may fail here again: there is nothing more to save then.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let recorded = kept.into_values().filter_map(|kept| match kept {
                Kept::Boundary(_) => None,
                Kept::Started { leaves, copy } | Kept::Graph { leaves, copy, .. } => {
                    Some([leaves.sum_of_floats(), copies.sum_of_leaves(&copy)])
                }
            });
            // Untracked passes leave nodes too, and any backward pass takes those.
            let any = copies.sum_of_leaves(&copies.copy(Pass::Tracked));
            let sums = recorded.flatten().chain([any]).flatten();
            let root = sums.reduce(|root, sum| root + sum);
            if let Some(root) = root {
                drop(root.backward());
            }
        }));
    }
}
