use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::data::dataset::DatasetError;
use burn::store::RecordError;
use burn::train::TrainingError;
use burn_pipeline::{DeviceError, PipelineError};
use thiserror::Error;

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum Error {
    /// A device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),

    /// The pipeline could not be made.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),

    /// Training ended with an error.
    #[error("training ended early: {0}")]
    Training(Arc<TrainingError>),

    /// A digit could not be drawn.
    #[error("cannot load a digit: {0}")]
    Data(#[from] DatasetError),

    /// The model could not be saved or loaded.
    #[error("cannot save or load the model: {0}")]
    Record(#[from] RecordError),

    /// A file could not be written.
    #[error("cannot write {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: std::io::Error,
    },

    /// Numbers on the command line that no run can have.
    #[error("{0}")]
    Options(String),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |reason| Self::File {
            path: path.to_path_buf(),
            reason,
        }
    }
}
