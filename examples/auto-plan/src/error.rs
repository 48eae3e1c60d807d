use std::path::{Path, PathBuf};

use burn::tensor::TensorReadError;
use burn_pipeline::{DeviceError, PipelineError, PlanError, ProfileCostsError, SimulateError};
use thiserror::Error;

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum Error {
    /// Numbers on the command line that no run can have.
    #[error("{0}")]
    Options(String),

    /// A device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),

    /// The model could not be profiled, or the pipeline could not be made or take a step.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),

    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),

    /// What the even cut costs could not be told.
    #[error(transparent)]
    Costs(#[from] ProfileCostsError),

    /// The even cut could not be simulated.
    #[error(transparent)]
    Simulate(#[from] SimulateError),

    /// A number could not be read from a device.
    #[error("a result cannot be read from its device: {0}")]
    Read(#[from] TensorReadError),

    /// A file could not be written.
    #[error("cannot write {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: std::io::Error,
    },

    /// The report could not be written.
    #[error("cannot write the report: {0}")]
    Report(#[from] std::io::Error),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |reason| Self::File {
            path: path.to_path_buf(),
            reason,
        }
    }
}
