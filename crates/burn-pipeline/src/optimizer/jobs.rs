//! The updates of a step, on the workers of their stages.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::ParamId;
use burn::optim::ModuleOptimizer;
use burn::store::RecordError;

use super::base::State;
use super::update::Update;
use crate::PipelineError;
use crate::engine::{Cancel, Noticed, explained, gather};
use crate::error::message_of;
use crate::pipeline::Runtime;
use crate::signal::{StageDevice, Witness};

/// One stage's part of a step.
pub(super) struct Job {
    /// The parameters, each with its state if it has one.
    pub(super) work: Vec<(Box<dyn Update>, Option<State>)>,
    pub(super) template: Arc<ModuleOptimizer>,
    pub(super) lr: ModuleLearningRate,
    pub(super) device: StageDevice,
}

/// An updated parameter and the optimizer that has its state.
pub(super) type Updated = (ParamId, ModuleOptimizer, Box<dyn Any + Send>);

/// Run one job per stage and wait for all of them, whatever becomes of each.
pub(super) fn run(runtime: &Runtime, jobs: Vec<Job>) -> Result<Vec<Updated>, PipelineError> {
    let workers = runtime.workers()?;
    let num_stages = jobs.len();
    let (sender, reports) = channel();
    let cancel = Cancel::default();
    for (stage, job) in jobs.into_iter().enumerate() {
        let (sender, cancel) = (sender.clone(), cancel.clone());
        workers.start(
            stage,
            Box::new(move || {
                let _ = sender.send((stage, job.run(&cancel)));
            }),
        );
    }
    drop(sender);

    let gathered = gather(&reports, runtime.homes(), &cancel, Result::is_err);
    let num_reports = gathered.reports.len();
    let failure = gathered.reports.iter().find_map(|(stage, report)| {
        let failure = report.as_ref().err()?;
        Some((*stage, failure.clone()))
    });
    if failure.is_none() && num_reports == num_stages {
        let updated = gathered
            .reports
            .into_iter()
            .filter_map(|(_, report)| report.ok());
        return Ok(updated.flatten().collect());
    }

    let scene = runtime.scene(&workers);
    scene.give_up(&gathered);
    let noticed = match &failure {
        Some((stage, failure)) => Noticed {
            stage: Some(*stage),
            doing: format!("the update of parameter `{}`", failure.path),
            message: failure.message.clone(),
        },
        None => Noticed {
            stage: None,
            doing: "an update".to_string(),
            message: String::new(),
        },
    };
    if let Some(lost) = scene.lost(&gathered, &noticed) {
        return Err(lost.into());
    }
    Err(match failure {
        Some((stage, Failure { path, message })) => PipelineError::Optimizer(format!(
            "stage {stage} on `{}` failed in the update of parameter `{path}`: {}. Some parameters have moved on and others have not: mend the cause and go on from what was saved last.",
            runtime.homes()[stage].label(),
            explained(&message).trim_end_matches('.')
        )),
        None => PipelineError::Worker(format!(
            "{num_reports} of {num_stages} workers are left: make a new pipeline"
        )),
    })
}

#[derive(Clone)]
struct Failure {
    path: String,
    message: String,
}

impl Job {
    fn run(self, cancel: &Cancel) -> Result<Vec<Updated>, Failure> {
        let Self {
            work,
            template,
            lr,
            device,
        } = self;
        let mut updated = Vec::with_capacity(work.len());
        let mut last = String::new();
        let mut witness = Witness::default();
        for (parameter, state) in work {
            let (id, path) = (parameter.id(), parameter.path().to_string());
            let update = || {
                let mut optimizer = optimizer_of(&template, state)?;
                let (parameter, number) = parameter.update(&mut optimizer, &lr, &device);
                Ok::<_, RecordError>((id, optimizer, parameter, number))
            };
            let message = match catch_unwind(AssertUnwindSafe(update)) {
                Ok(Ok((id, optimizer, parameter, number))) => {
                    updated.push((id, optimizer, parameter));
                    witness.add(number);
                    last = path;
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(panic) => message_of(panic.as_ref()),
            };
            return Err(Failure { path, message });
        }

        // Other threads read what has changed here.
        match device.finish(witness, || !cancel.is_said()) {
            Ok(()) => Ok(updated),
            Err(message) => Err(Failure {
                path: last,
                message,
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
