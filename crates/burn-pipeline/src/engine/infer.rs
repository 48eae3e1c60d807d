//! Forward only: micro-batched, pipelined, without autodiff.

use std::time::Instant;

use burn::module::Module;
use burn_pipeline_plan::{Instruction, Span};

use super::inbox::{Inbox, Outbox, mailbox};
use super::layers::{StageLayers, flush};
use super::report::{Halt, Report, guarded};
use super::step::Step;
use crate::PipelineError;
use crate::layer::{LayerMapper, Sequential};
use crate::rematerialize::OwnLayers;
use crate::signal::AnySignal;

/// One stage's part of an inference.
struct InferTask<M> {
    stage: usize,
    instructions: Vec<Instruction>,
    layers: StageLayers,
    model: M,
    boundaries: Inbox<AnySignal>,
    outputs: Outbox<AnySignal>,
    start: Instant,
}

/// The outputs of `inputs`, one per micro-batch, without autodiff and with all training
/// behaviour off.
pub(crate) fn infer<M: Sequential + 'static>(
    step: &Step<'_>,
    model: &M,
    inputs: Vec<AnySignal>,
) -> Result<Vec<AnySignal>, PipelineError> {
    let num_stages = step.partition.num_stages();
    let num_micro_batches = inputs.len();
    let start = Instant::now();

    let (outbox, mut boundaries) = mailbox();
    for (micro_batch, input) in inputs.into_iter().enumerate() {
        // The inbox is held right here.
        let _ = outbox.send(micro_batch, input);
    }

    let mut jobs: Vec<Box<dyn FnOnce() -> Report<()> + Send>> = Vec::new();
    for stage in 0..num_stages {
        let (outputs, next) = mailbox();
        let task = InferTask {
            stage,
            instructions: step.schedule.stage(stage).to_vec(),
            layers: step.layers(stage),
            model: model.clone(),
            boundaries,
            outputs,
            start,
        };
        jobs.push(Box::new(move || task.run()));
        boundaries = next;
    }
    step.run(jobs)?;

    let outputs = (0..num_micro_batches).map(|micro_batch| boundaries.receive(micro_batch));
    Ok(outputs
        .collect::<Result<_, _>>()
        .expect("stages that report success have sent every output"))
}

impl<M: Sequential> InferTask<M> {
    fn run(mut self) -> Report<()> {
        let layers = self.layers.range.clone();
        let model = self
            .model
            .clone()
            .map_layers(&mut OwnLayers::new(&layers, Valid));
        let mut spans = Vec::new();
        let outcome = self.run_all(&model, &mut spans);
        Report {
            stage: self.stage,
            outcome,
            spans,
        }
    }

    fn run_all(&mut self, model: &M, spans: &mut Vec<Span>) -> Result<(), Halt> {
        let stage = self.stage;
        for instruction in std::mem::take(&mut self.instructions) {
            let micro_batch = instruction.micro_batch();
            let boundary = self.boundaries.receive(micro_batch)?;
            let start = self.start.elapsed().as_secs_f64();
            let layers = &mut self.layers;
            let outputs = guarded(
                stage,
                instruction,
                layers,
                |layers| {
                    let boundary = boundary.receive(&layers.device);
                    let outputs = layers.infer(model, boundary).into_plain();
                    flush(layers);
                    Ok(outputs)
                },
                |layers| layers.position.clone(),
            )?;
            self.outputs.send(micro_batch, outputs)?;
            let end = self.start.elapsed().as_secs_f64();
            spans.push(Span::new(stage, instruction, start, end));
        }
        Ok(())
    }
}

struct Valid;

impl LayerMapper for Valid {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        layer.valid()
    }
}
