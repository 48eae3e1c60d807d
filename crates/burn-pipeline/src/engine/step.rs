//! One training step over all stages.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;

use burn::optim::GradientsParams;
use burn_pipeline_plan::{Partition, Schedule, Timeline};

use super::cancel::Cancel;
use super::carrier::Route;
use super::home::Home;
use super::inbox::mailbox;
use super::layers::StageLayers;
use super::post_mortem::{explain, gone};
use super::report::{Halt, Position, Report, message_of, outcomes};
use super::task::{ChunkResult, ChunkTask, LossEnd, Sink, Source, StageTask};
use super::watch::{LOOK_UP, Watch};
use super::worker::{Jobs, Workers};
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

        let mut all: Vec<Report<T>> = Vec::with_capacity(num_stages);
        let mut broken = None;
        let mut watch = Watch::new(self.homes);
        loop {
            match reports.recv_timeout(LOOK_UP) {
                Ok((_, Ok(report))) => {
                    if matches!(report.outcome, Err(Halt::Failed { .. })) {
                        watch.failed(&self.cancel);
                    }
                    watch.reported(report.stage);
                    all.push(report);
                }
                Ok((stage, Err(panic))) => {
                    watch.failed(&self.cancel);
                    watch.reported(stage);
                    broken = Some((stage, message_of(panic.as_ref())));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !watch.goes_on(&self.cancel) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for stage in watch.silent() {
            self.workers.give_up(stage);
        }
        if let (true, Some(time_out)) = (self.cancel.is_said(), watch.time_out()) {
            self.workers.give_up_carriers(Instant::now() + time_out);
        }
        all.sort_by_key(|report| report.stage);

        let num_reports = all.len();
        let outcomes = outcomes(all);
        if let Some((stage, reason)) = watch.dead {
            let noticed = outcomes.err().unwrap_or_else(|| StageError {
                stage,
                device: String::new(),
                instruction: self.schedule.stage(stage)[0],
                layer: None,
                in_loss: false,
                device_lost: true,
                message: String::new(),
            });
            return Err(gone(stage, &self.homes[stage], &reason, noticed).into());
        }
        let (outcomes, spans) = outcomes.map_err(|error| {
            let lost = self.homes[error.stage].is_lost(&self.devices[error.stage]);
            explain(
                StageError {
                    device_lost: lost,
                    ..error
                },
                self.homes,
            )
        })?;
        match broken {
            Some((stage, message)) => Err(PipelineError::Worker(format!(
                "the worker of stage {stage} failed between instructions: {message}"
            ))),
            None if num_reports < num_stages => Err(PipelineError::Worker(format!(
                "{num_reports} of {num_stages} workers are left: make a new pipeline"
            ))),
            None => Ok((outcomes, Timeline::new(num_stages, spans))),
        }
    }

    /// How what `from` sends gets to `to`, if by a carrier: where both parts are on one device,
    /// nothing moves.
    pub(super) fn route(
        &self,
        from: usize,
        to: &StageLayers,
        carrier: Option<Jobs>,
    ) -> Option<Box<Route>> {
        let stage = self.stage_of(from);
        let device = self.devices[stage].clone();
        let carrier = carrier.filter(|_| device.device() != to.device.device())?;
        Some(Box::new(Route {
            carrier,
            stage,
            chunk: from / self.devices.len(),
            from: device,
            to: to.device.clone(),
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
        let (boundaries, inbox) = mailbox(step.route(part, &next, carrier), &step.cancel);
        let (outbox, returned) = match step.trains_before(part + 1) {
            true => {
                let carrier = step.workers.gradients_to(step.stage_of(part));
                let route = step.route(part + 1, &layers, carrier);
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
