use std::path::{Path, PathBuf};

use burn::data::dataset::DatasetError;
use burn::store::RecordError;
use burn::tensor::TensorReadError;
use burn_pipeline::{DeviceError, LoadError, PipelineError, PlanError, SaveError, SimulateError};
use thiserror::Error;

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum Error {
    /// Flags that contradict each other, the text, or a run that is resumed.
    #[error("{0}")]
    Options(String),

    /// A file that cannot be read or written.
    #[error("cannot {action} {}: {reason}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },

    /// A device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),

    /// The pipeline could not be made, or could not take a step.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),

    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),

    /// What a step should take could not be told.
    #[error("the last step cannot be predicted: {0}")]
    Prediction(#[from] SimulateError),

    /// A number could not be read from a device.
    #[error("a result cannot be read from its device: {0}")]
    Read(#[from] TensorReadError),

    /// The run could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),

    /// A saved run could not be gone on with.
    #[error(transparent)]
    Load(#[from] LoadError),

    /// The states of the optimizer could not be handed to another one.
    #[error(transparent)]
    Record(#[from] RecordError),

    /// A mini-batch could not be put together.
    #[error(transparent)]
    Batch(#[from] DatasetError),
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path, reason: impl ToString) -> Self {
        Self::File {
            action,
            path: path.to_path_buf(),
            reason: reason.to_string(),
        }
    }
}
