//! One run of the `Learner`, and what came of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::AdamConfig;
use burn::tensor::Device;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::store::{Aggregate, Direction, Split};
use burn::train::metric::{AccuracyMetric, LearningRateMetric, LossMetric};
use burn::train::{
    ClassificationOutput, ExecutionStrategy, InferenceStep, Interrupter, Interruption, Learner,
    LearnerModel, MetricEarlyStoppingStrategy, StoppingCondition, SupervisedTraining, TrainStep,
    TrainingError, TrainingStrategy,
};
use burn_pipeline::{PipelineConfig, PipelineModule, PipelineStrategy, Placement};

use super::batches::{Batch, Stop, training, validation};
use super::model::Classifier;
use super::recorder::{Recorder, Told};
use crate::compare::{Parameters, parameters};

/// What is asked of a run.
#[derive(Clone)]
pub struct Settings {
    /// The last epoch.
    pub num_epochs: usize,
    /// The epoch to resume from.
    pub checkpoint: Option<usize>,
    /// Where records and metrics go.
    pub folder: Folder,
    /// How many mini-batches make a step of the optimizer.
    pub grads_accumulation: Option<usize>,
    /// The seed of the shuffles.
    pub shuffle: Option<u64>,
    /// Stop once the validation loss has not improved for so many epochs.
    pub patience: Option<usize>,
    /// Interrupt the run while it loads this batch, counted from 1.
    pub stop_at: Option<usize>,
    /// Where the learning rate begins.
    pub learning_rate: f64,
}

impl Settings {
    /// So many epochs, and nothing else.
    pub fn new(num_epochs: usize) -> Self {
        Self {
            num_epochs,
            checkpoint: None,
            folder: Folder::new(),
            grads_accumulation: None,
            shuffle: None,
            patience: None,
            stop_at: None,
            learning_rate: 1e-2,
        }
    }
}

/// What came of a run.
pub struct Outcome<M> {
    /// The trained model.
    pub model: M,
    /// Its parameters.
    pub parameters: Parameters,
    /// What the renderer was told.
    pub told: Vec<Told>,
    /// The summary at the end.
    pub summary: Option<String>,
    /// Why it was interrupted.
    pub interrupted: Option<Interruption>,
    /// What ended it early.
    pub error: Option<Arc<TrainingError>>,
}

impl<M> Outcome<M> {
    /// The values of a metric, in order.
    pub fn metric(&self, name: &str) -> Vec<f64> {
        let values = self.told.iter().filter_map(|told| match told {
            Told::Metric(metric, value) if metric == name => Some(*value),
            _ => None,
        });
        values.collect()
    }

    /// How many epochs were completed.
    pub fn num_epochs(&self) -> usize {
        let is_end =
            |told: &&Told| matches!(told, Told::Progress(it) if it.starts_with("end of epoch"));
        self.told.iter().filter(is_end).count()
    }
}

/// A run of the classifier by burn-train's strategy for one device.
pub fn on_one_device(settings: &Settings) -> Outcome<Classifier> {
    let device = Device::flex().autodiff();
    let strategy = ExecutionStrategy::SingleDevice(device.clone());
    launch(Classifier::new(None, &device), strategy.into(), settings)
}

/// The same run in a pipeline, with so many layers in each stage.
pub fn pipelined(
    config: &PipelineConfig,
    num_layers: &[usize],
    settings: &Settings,
) -> Outcome<PipelineModule<Classifier>> {
    let model = Classifier::new(None, &Device::flex());
    launch(
        in_stages(config, num_layers, model),
        PipelineStrategy.into(),
        settings,
    )
}

/// The model in a pipeline on the CPU, with so many layers in each stage.
pub fn in_stages(
    config: &PipelineConfig,
    num_layers: &[usize],
    model: Classifier,
) -> PipelineModule<Classifier> {
    let devices = vec![Device::flex(); num_layers.len()];
    let placement = Placement::from_counts(&devices, num_layers);
    config.init(model, placement).unwrap()
}

/// Run what the settings say.
pub fn launch<M>(model: M, strategy: TrainingStrategy<M>, settings: &Settings) -> Outcome<M>
where
    M: LearnerModel
        + TrainStep<Input = Batch, Output = ClassificationOutput>
        + InferenceStep<Input = Batch, Output = ClassificationOutput>,
{
    let recorder = Recorder::default();
    let interrupter = Interrupter::new();
    let stop = settings.stop_at.map(|batch| Stop::at(batch, &interrupter));
    let loader = training(settings.shuffle, stop);
    let mut run = SupervisedTraining::new(settings.folder.path(), loader, validation())
        .with_interrupter(interrupter)
        .renderer(Box::new(recorder.clone()))
        .with_application_logger(None)
        .with_training_strategy(strategy)
        .with_default_checkpointers()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(10))
        .metrics((AccuracyMetric::new(), LossMetric::new()))
        .metric_train_numeric(LearningRateMetric::new())
        .num_epochs(settings.num_epochs)
        .label("a run")
        .summary();
    if let Some(epoch) = settings.checkpoint {
        run = run.checkpoint(epoch);
    }
    if let Some(num_batches) = settings.grads_accumulation {
        run = run.grads_accumulation(num_batches);
    }
    if let Some(n_epochs) = settings.patience {
        run = run.early_stopping(MetricEarlyStoppingStrategy::new(
            &LossMetric::new(),
            Aggregate::Mean,
            Direction::Lowest,
            Split::Valid,
            StoppingCondition::NoImprovementSince { n_epochs },
        ));
    }
    let scheduler = CosineAnnealingLrSchedulerConfig::new(settings.learning_rate, 30);
    let optimizer = AdamConfig::new().init();
    let result = run.launch(Learner::new(model, optimizer, scheduler.init().unwrap()));
    Outcome {
        parameters: parameters(&result.model),
        model: result.model,
        told: recorder.told(),
        summary: recorder.summary(),
        interrupted: result.interrupted,
        error: result.error,
    }
}

/// A folder that is removed with the last of its clones.
#[derive(Clone)]
pub struct Folder(Arc<Owned>);

struct Owned(PathBuf);

impl Folder {
    /// A new one.
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("burn-pipeline-learner-{}-{next}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        Self(Arc::new(Owned(folder)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.0
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
