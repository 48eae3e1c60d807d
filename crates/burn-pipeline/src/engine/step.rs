//! One training step over all stages.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use burn::optim::GradientsParams;
use burn_pipeline_plan::{Partition, Schedule, Timeline};

use super::gradients::gather;
use super::inbox::mailbox;
use super::layers::StageLayers;
use super::report::{Position, Report, message_of, outcomes};
use super::task::{LossEnd, Sink, Source, StageTask};
use super::worker::Workers;
use crate::PipelineError;
use crate::layer::Sequential;
use crate::rematerialize::{LayerFacts, Statistics};
use crate::signal::{AnySignal, StageDevice};

/// What the stages need to know of a step.
pub(crate) struct Step<'a> {
    pub(crate) workers: &'a Workers,
    pub(crate) partition: &'a Partition,
    pub(crate) devices: &'a [StageDevice],
    pub(crate) schedule: &'a Schedule,
    pub(crate) facts: Arc<Vec<LayerFacts>>,
    pub(crate) seed: u64,
    pub(crate) step: u64,
}

/// What a step has to show.
pub(crate) struct StepResult {
    pub(crate) gradients: GradientsParams,
    pub(crate) timeline: Timeline,
    /// Of each stage: not the model's before they are committed.
    pub(crate) statistics: Vec<Statistics>,
}

impl Step<'_> {
    pub(crate) fn layers(&self, stage: usize) -> StageLayers {
        StageLayers {
            range: self.partition.stage(stage),
            facts: self.facts.clone(),
            device: self.devices[stage].clone(),
            seed: self.seed,
            step: self.step,
            position: Position::default(),
        }
    }

    /// Whether anything before `stage` trains, so that its inputs need gradients.
    fn trains_before(&self, stage: usize) -> bool {
        let layers = self.partition.stage(stage);
        self.facts[..layers.start]
            .iter()
            .any(|facts| facts.trainable)
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
        while let Ok((stage, report)) = reports.recv() {
            match report {
                Ok(report) => all.push(report),
                Err(panic) => {
                    broken = Some((stage, message_of(panic.as_ref())));
                }
            }
        }
        all.sort_by_key(|report| report.stage);

        let num_reports = all.len();
        let (outcomes, spans) = outcomes(all)?;
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
}

/// Run a training step: `inputs` are the micro-batches, `loss` ends the last stage.
pub(crate) fn train<M: Sequential + 'static>(
    step: &Step<'_>,
    model: &M,
    inputs: Vec<AnySignal>,
    loss: Box<dyn LossEnd>,
) -> Result<StepResult, PipelineError> {
    let num_stages = step.partition.num_stages();
    let start = Instant::now();

    let mut source = Source::Batch(inputs.into_iter().enumerate().collect::<HashMap<_, _>>());
    let mut gradients = None;
    let mut loss = Some(loss);
    let mut jobs: Vec<Box<dyn FnOnce() -> Report<_> + Send>> = Vec::new();

    for stage in 0..num_stages {
        let (sink, next) = match stage + 1 < num_stages {
            true => {
                let (boundaries, inbox) = mailbox();
                let (outbox, inbox_of_gradients) = match step.trains_before(stage + 1) {
                    true => {
                        let (outbox, inbox) = mailbox();
                        (Some(outbox), Some(inbox))
                    }
                    false => (None, None),
                };
                let sink = Sink::Next {
                    boundaries,
                    gradients: inbox_of_gradients,
                };
                (sink, Some((inbox, outbox)))
            }
            false => {
                let loss = loss.take().expect("one stage is the last");
                (Sink::Loss(loss), None)
            }
        };
        let task = StageTask {
            stage,
            instructions: step.schedule.stage(stage).to_vec(),
            layers: step.layers(stage),
            model: model.clone(),
            source,
            sink,
            gradients,
            start,
        };
        jobs.push(Box::new(move || task.run()));

        match next {
            Some((inbox, outbox)) => {
                source = Source::Before(inbox);
                gradients = outbox;
            }
            None => break,
        }
    }

    let (results, timeline) = step.run(jobs)?;

    let mut gradients = GradientsParams::new();
    let mut statistics = Vec::with_capacity(num_stages);
    for (stage, result) in results.into_iter().enumerate() {
        let layers = step.partition.stage(stage);
        gather(model, &layers, result.gradients, &mut gradients);
        statistics.push(result.statistics);
    }
    Ok(StepResult {
        gradients,
        timeline,
        statistics,
    })
}
