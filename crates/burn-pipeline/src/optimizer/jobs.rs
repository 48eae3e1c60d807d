//! The updates of a step, on the workers of their stages.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::ParamId;
use burn::optim::ModuleOptimizer;
use burn::store::RecordError;
use burn::tensor::Device;

use super::base::State;
use super::update::Update;
use crate::PipelineError;
use crate::engine::message_of;
use crate::pipeline::Runtime;

/// One stage's part of a step.
pub(super) struct Job {
    /// The parameters, each with its state if it has one.
    pub(super) work: Vec<(Box<dyn Update>, Option<State>)>,
    pub(super) template: Arc<ModuleOptimizer>,
    pub(super) lr: ModuleLearningRate,
    pub(super) device: Device,
}

/// An updated parameter and the optimizer that has its state.
pub(super) type Updated = (ParamId, ModuleOptimizer, Box<dyn Any + Send>);

/// Run one job per stage and wait for all of them, whatever becomes of each.
pub(super) fn run(runtime: &Runtime, jobs: Vec<Job>) -> Result<Vec<Updated>, PipelineError> {
    let workers = runtime.workers()?;
    let num_stages = jobs.len();
    let (sender, reports) = channel();
    for (stage, job) in jobs.into_iter().enumerate() {
        let sender = sender.clone();
        workers.start(
            stage,
            Box::new(move || {
                let _ = sender.send((stage, job.run()));
            }),
        );
    }
    drop(sender);

    let mut reports: Vec<_> = reports.into_iter().collect();
    reports.sort_by_key(|(stage, _)| *stage);
    if reports.len() < num_stages {
        return Err(PipelineError::Worker(format!(
            "{} of {num_stages} workers are left: make a new pipeline",
            reports.len()
        )));
    }

    let mut updated = Vec::new();
    for (stage, report) in reports {
        match report {
            Ok(of_stage) => updated.extend(of_stage),
            Err(failure) => {
                let message = failure.message.trim_end_matches('.');
                return Err(PipelineError::Optimizer(format!(
                    "stage {stage} failed in the update of parameter `{}`: {message}. Some parameters have moved on and others have not: mend the cause and go on from what was saved last.",
                    failure.path
                )));
            }
        }
    }
    Ok(updated)
}

struct Failure {
    path: String,
    message: String,
}

impl Job {
    fn run(self) -> Result<Vec<Updated>, Failure> {
        let Self {
            work,
            template,
            lr,
            device,
        } = self;
        let mut updated = Vec::with_capacity(work.len());
        let mut last = String::new();
        for (parameter, state) in work {
            let (id, path) = (parameter.id(), parameter.path().to_string());
            let update = || {
                let mut optimizer = optimizer_of(&template, state)?;
                let parameter = parameter.update(&mut optimizer, &lr);
                Ok::<_, RecordError>((id, optimizer, parameter))
            };
            let message = match catch_unwind(AssertUnwindSafe(update)) {
                Ok(Ok(done)) => {
                    updated.push(done);
                    last = path;
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(panic) => message_of(panic.as_ref()),
            };
            return Err(Failure { path, message });
        }

        // Other threads read what has changed here.
        match device.flush() {
            Ok(()) => Ok(updated),
            Err(error) => Err(Failure {
                path: last,
                message: format!("the device cannot run what was queued: {error}"),
            }),
        }
    }
}

/// The optimizer that steps one parameter.
fn optimizer_of(
    template: &ModuleOptimizer,
    state: Option<State>,
) -> Result<ModuleOptimizer, RecordError> {
    Ok(match state {
        Some(State::Live(optimizer)) => optimizer,
        Some(State::Saved(piece)) => template.clone().load_record(piece.into_record()?),
        None => template.clone(),
    })
}
