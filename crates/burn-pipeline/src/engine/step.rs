//! One training step over all stages.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use burn::optim::GradientsParams;
use burn_pipeline_plan::{Partition, Schedule, Timeline};

use super::cancel::Cancel;
use super::carrier::{End, Route};
use super::home::Home;
use super::inbox::mailbox;
use super::layers::StageLayers;
use super::post_mortem::{Noticed, Scene};
use super::report::{Halt, Position, Report, outcomes};
use super::task::{ChunkResult, ChunkTask, LossEnd, Sink, Source, StageTask};
use super::watch::{Gathered, gather};
use super::worker::{Jobs, Workers};
use crate::error::{message_of, named};
use crate::layer::Sequential;
use crate::rematerialize::{Decays, LayerFacts, Statistics};
use crate::signal::{AnySignal, StageDevice};
use crate::{PipelineError, StageError};

/// What the stages need to know of a step.
pub(crate) struct Step<'a> {
    pub(crate) workers: &'a Workers,
    pub(crate) partition: &'a Partition,
    pub(crate) devices: &'a [StageDevice],
    pub(crate) homes: &'a [Home],
    pub(crate) cancel: Cancel,
    pub(crate) schedule: &'a Schedule,
    pub(crate) facts: Arc<Vec<LayerFacts>>,
    /// The samples of each micro-batch.
    pub(crate) samples: Arc<Vec<Range<usize>>>,
    pub(crate) decays: Decays,
    pub(crate) seed: u64,
    pub(crate) step: u64,
}

/// What a step has to show.
pub(crate) struct StepResult {
    pub(crate) gradients: GradientsParams,
    pub(crate) timeline: Timeline,
    /// Of each part: not the model's before they are committed.
    pub(crate) statistics: Vec<Statistics>,
    /// Of each stage, from other parts of the model.
    pub(crate) bytes_received: Vec<u64>,
}

/// Why a step has no result.
enum Failure {
    Stage(StageError),
    /// A worker failed outside its instructions, and what it said.
    Between(usize, String),
    /// Reports are missing.
    Silence,
}

impl Step<'_> {
    /// The layers of one part of the model: those of a chunk of a stage.
    pub(crate) fn layers(&self, part: usize) -> StageLayers {
        StageLayers {
            range: self.partition.stage(part),
            facts: self.facts.clone(),
            device: self.devices[self.stage_of(part)].counting(),
            seed: self.seed,
            step: self.step,
            samples: self.samples.clone(),
            position: Position::default(),
            cancel: self.cancel.clone(),
        }
    }

    /// The stage that holds a part: parts go round the stages.
    pub(crate) fn stage_of(&self, part: usize) -> usize {
        part % self.devices.len()
    }

    /// Whether anything before `part` trains, so that its inputs need gradients.
    fn trains_before(&self, part: usize) -> bool {
        let num_layers = match part.checked_sub(1) {
            Some(before) => self.partition.stage(before).end,
            None => 0,
        };
        self.facts[..num_layers].iter().any(|facts| facts.trainable)
    }

    /// Run one job per stage and wait for all reports, whatever becomes of the jobs.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        jobs: Vec<Box<dyn FnOnce() -> Report<T> + Send>>,
    ) -> Result<(Vec<T>, Timeline), PipelineError> {
        let num_stages = jobs.len();
        let (sender, reports) = channel();
        for (stage, job) in jobs.into_iter().enumerate() {
            let sender = sender.clone();
            self.workers.start(
                stage,
                Box::new(move || {
                    let report = catch_unwind(AssertUnwindSafe(job));
                    let _ = sender.send((stage, report));
                }),
            );
        }
        drop(sender);

        let failed = |report: &thread::Result<Report<T>>| match report {
            Ok(report) => matches!(report.outcome, Err(Halt::Failed { .. })),
            Err(_) => true,
        };
        let mut gathered = gather(&reports, self.homes, &self.cancel, failed);
        let num_reports = gathered.reports.len();
        let mut all = Vec::with_capacity(num_stages);
        let mut broken = None;
        for (stage, report) in gathered.reports.drain(..) {
            match report {
                Ok(report) => all.push(report),
                Err(panic) => broken = Some((stage, message_of(panic.as_ref()))),
            }
        }
        let failure = match (outcomes(all), broken) {
            // One that was stopped has nothing to show.
            (Ok((outcomes, spans)), None) if outcomes.len() == num_stages => {
                return Ok((outcomes, Timeline::new(num_stages, spans)));
            }
            (Ok(_), None) => Failure::Silence,
            (_, Some((stage, message))) => Failure::Between(stage, message),
            (Err(error), None) => Failure::Stage(error),
        };
        Err(self.explain(failure, &gathered, num_reports))
    }

    fn explain<R>(
        &self,
        failure: Failure,
        gathered: &Gathered<R>,
        num_reports: usize,
    ) -> PipelineError {
        let scene = Scene {
            workers: self.workers,
            homes: self.homes,
            devices: self.devices,
        };
        scene.give_up(gathered);
        let noticed = match &failure {
            Failure::Stage(error) => Noticed {
                stage: Some(error.stage),
                doing: named(error.instruction),
                message: error.message.clone(),
            },
            Failure::Between(stage, message) => Noticed {
                stage: Some(*stage),
                doing: "a step".to_string(),
                message: message.clone(),
            },
            Failure::Silence => Noticed {
                stage: None,
                doing: "a step".to_string(),
                message: String::new(),
            },
        };
        if let Some(lost) = scene.lost(gathered, &noticed) {
            return lost.into();
        }
        match failure {
            Failure::Stage(error) => scene.failed(error),
            Failure::Between(stage, message) => PipelineError::Worker(format!(
                "the worker of stage {stage} failed between instructions: {message}"
            )),
            Failure::Silence => PipelineError::Worker(format!(
                "{num_reports} of {} workers are left: make a new pipeline",
                self.homes.len()
            )),
        }
    }

    /// How what one part sends gets to another, if by a carrier: where both are on one device,
    /// nothing moves.
    pub(super) fn route(
        &self,
        (from, sender): (usize, &StageLayers),
        (to, receiver): (usize, &StageLayers),
        carrier: Option<Jobs>,
    ) -> Option<Box<Route>> {
        let end = |part: usize, layers: &StageLayers| End {
            stage: self.stage_of(part),
            chunk: part / self.devices.len(),
            device: layers.device.clone(),
        };
        let carrier = carrier.filter(|_| sender.device.device() != receiver.device.device())?;
        Some(Box::new(Route {
            carrier,
            from: end(from, sender),
            to: end(to, receiver),
            cancel: self.cancel.clone(),
        }))
    }
}

/// Run a training step: `inputs` are the micro-batches, `loss` ends the last stage.
pub(crate) fn train<M: Sequential + 'static>(
    step: &Step<'_>,
    model: &M,
    inputs: Vec<AnySignal>,
    loss: Box<dyn LossEnd>,
) -> Result<StepResult, PipelineError> {
    let num_parts = step.partition.num_stages();
    let num_stages = step.devices.len();
    let start = Instant::now();

    let mut source = Source::Batch(inputs.into_iter().enumerate().collect::<HashMap<_, _>>());
    let mut gradients = None;
    let mut chunks: Vec<Vec<ChunkTask>> = (0..num_stages).map(|_| Vec::new()).collect();
    let mut add = |part, layers, source, sink, gradients| {
        chunks[step.stage_of(part)].push(ChunkTask {
            part,
            layers,
            decays: step.decays.clone(),
            source,
            sink,
            trains: step.trains_before(part + 1),
            gradients,
        });
    };
    let mut layers = step.layers(0);
    for part in 0..num_parts - 1 {
        let next = step.layers(part + 1);
        let carrier = step.workers.boundaries_to(step.stage_of(part + 1));
        let (boundaries, inbox) = mailbox(
            step.route((part, &layers), (part + 1, &next), carrier),
            &step.cancel,
        );
        let (outbox, returned) = match step.trains_before(part + 1) {
            true => {
                let carrier = step.workers.gradients_to(step.stage_of(part));
                let route = step.route((part + 1, &next), (part, &layers), carrier);
                let (outbox, returned) = mailbox(route, &step.cancel);
                (Some(outbox), Some(returned))
            }
            false => (None, None),
        };
        let sink = Sink::Next {
            boundaries,
            gradients: returned,
        };
        add(part, layers, source, sink, gradients);
        source = Source::Before(inbox);
        gradients = outbox;
        layers = next;
    }
    add(num_parts - 1, layers, source, Sink::Loss(loss), gradients);

    let tasks = chunks.into_iter().enumerate().map(|(stage, chunks)| {
        let task = StageTask {
            stage,
            instructions: step.schedule.stage(stage).to_vec(),
            chunks,
            model: model.clone(),
            start,
            cancel: step.cancel.clone(),
        };
        Box::new(move || task.run()) as Box<dyn FnOnce() -> Report<_> + Send>
    });
    let (results, timeline) = step.run(tasks.collect())?;

    let mut results: Vec<ChunkResult> = results.into_iter().flatten().collect();
    results.sort_by_key(|result| result.part);
    let mut gradients = GradientsParams::new();
    let mut statistics = Vec::with_capacity(num_parts);
    let mut bytes_received = vec![0; num_stages];
    for result in results {
        result.gradients.gather(model, &mut gradients);
        statistics.push(result.statistics);
        bytes_received[step.stage_of(result.part)] += result.num_bytes_received;
    }
    Ok(StepResult {
        gradients,
        timeline,
        statistics,
        bytes_received,
    })
}
