//! Forward only: micro-batched, pipelined, without autodiff.

use std::time::Instant;

use burn::module::Module;
use burn_pipeline_plan::{Instruction, Span};

use super::inbox::{Inbox, Outbox, mailbox};
use super::layers::{StageLayers, finish, flush};
use super::report::{Halt, Position, Report, guarded};
use super::step::Step;
use crate::PipelineError;
use crate::layer::{LayerMapper, Sequential};
use crate::rematerialize::OwnLayers;
use crate::signal::{AnySignal, Witness};

/// One stage's part of an inference.
struct InferTask<M> {
    stage: usize,
    instructions: Vec<Instruction>,
    chunks: Vec<InferChunk>,
    model: M,
    start: Instant,
}

struct InferChunk {
    layers: StageLayers,
    boundaries: Inbox<AnySignal>,
    outputs: Outbox<AnySignal>,
}

/// The outputs of `inputs`, one per micro-batch, without autodiff and with all training
/// behaviour off.
pub(crate) fn infer<M: Sequential + 'static>(
    step: &Step<'_>,
    model: &M,
    inputs: Vec<AnySignal>,
) -> Result<Vec<AnySignal>, PipelineError> {
    let num_micro_batches = inputs.len();
    let start = Instant::now();

    let (outbox, mut boundaries) = mailbox(None, &step.cancel);
    for (micro_batch, input) in inputs.into_iter().enumerate() {
        // The inbox is held right here.
        let _ = outbox.send(micro_batch, input);
    }

    let mut chunks: Vec<Vec<InferChunk>> = step.devices.iter().map(|_| Vec::new()).collect();
    let num_parts = step.partition.num_stages();
    let mut layers = step.layers(0);
    for part in 0..num_parts {
        // The outputs of the last part stay where they are.
        let after = (part + 1).min(num_parts - 1);
        let next = step.layers(after);
        let carrier = step.workers.boundaries_to(step.stage_of(after));
        let (outputs, inbox) = mailbox(
            step.route((part, &layers), (after, &next), carrier),
            &step.cancel,
        );
        chunks[step.stage_of(part)].push(InferChunk {
            layers,
            boundaries,
            outputs,
        });
        boundaries = inbox;
        layers = next;
    }
    let tasks = chunks.into_iter().enumerate().map(|(stage, chunks)| {
        let task = InferTask {
            stage,
            instructions: step.schedule.stage(stage).to_vec(),
            chunks,
            model: model.clone(),
            start,
        };
        Box::new(move || task.run()) as Box<dyn FnOnce() -> Report<()> + Send>
    });
    step.run(tasks.collect())?;

    let outputs = (0..num_micro_batches).map(|micro_batch| boundaries.receive(micro_batch));
    Ok(outputs
        .collect::<Result<_, _>>()
        .expect("stages that report success have sent every output"))
}

impl<M: Sequential> InferTask<M> {
    fn run(mut self) -> Report<()> {
        let mut model = self.model.clone();
        for chunk in &self.chunks {
            model = model.map_layers(&mut OwnLayers::new(&chunk.layers.range, Valid));
        }
        let mut spans = Vec::new();
        let outcome = self.run_all(&model, &mut spans);
        Report { outcome, spans }
    }

    fn run_all(&mut self, model: &M, spans: &mut Vec<Span>) -> Result<(), Halt> {
        let stage = self.stage;
        let mut witness = Witness::default();
        for &instruction in &self.instructions {
            let InferChunk {
                layers,
                boundaries,
                outputs,
            } = &mut self.chunks[instruction.chunk()];
            let micro_batch = instruction.micro_batch();
            let boundary = boundaries.receive(micro_batch)?;
            let start = self.start.elapsed().as_secs_f64();
            let output = guarded(
                stage,
                instruction,
                layers,
                |layers| {
                    let boundary = boundary.receive(&layers.device);
                    let output = layers.infer(model, boundary).into_plain();
                    witness.replace(output.witness(&layers.device));
                    flush(layers);
                    Ok(output)
                },
                |layers| layers.position.clone(),
            )?;
            outputs.send(micro_batch, output)?;
            let end = self.start.elapsed().as_secs_f64();
            spans.push(Span::new(stage, instruction, start, end));
        }
        let last = self.instructions[self.instructions.len() - 1];
        let ended = |layers: &mut StageLayers| finish(layers, witness);
        let layers = &mut self.chunks[last.chunk()].layers;
        guarded(stage, last, layers, ended, |_| Position::default())
    }
}

struct Valid;

impl LayerMapper for Valid {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        layer.valid()
    }
}
