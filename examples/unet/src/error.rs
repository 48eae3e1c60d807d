use burn::data::dataset::DatasetError;
use burn::tensor::TensorReadError;
use burn_pipeline::{DeviceError, PipelineError};
use thiserror::Error;

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum Error {
    /// Flags that contradict each other.
    #[error("{0}")]
    Options(String),

    /// A device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),

    /// The pipeline could not be made, or could not take a step.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),

    /// A number could not be read from a device.
    #[error("a result cannot be read from its device: {0}")]
    Read(#[from] TensorReadError),

    /// A mini-batch could not be put together.
    #[error(transparent)]
    Batch(#[from] DatasetError),

    /// The report could not be written.
    #[error("cannot write the report: {0}")]
    Report(#[from] std::io::Error),
}
