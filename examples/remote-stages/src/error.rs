use burn::data::dataset::DatasetError;
use burn::server::{EmptyToken, ServeError};
use burn::tensor::TensorReadError;
use burn_pipeline::{DeviceError, LoadError, PipelineError, SaveError};
use thiserror::Error;

/// Why a server or a training ended early.
#[derive(Debug, Error)]
pub enum Error {
    /// Flags that contradict each other.
    #[error("{0}")]
    Options(String),

    /// A device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),

    /// The port is taken, or the address is none of this machine.
    #[error("cannot listen at {address}: {source}; give another --port or --listen")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },

    /// A token that everyone knows.
    #[error(transparent)]
    Token(#[from] EmptyToken),

    /// The server failed.
    #[error("the server ended: {0}")]
    Serve(#[from] ServeError),

    /// A server that was started ended before it served.
    #[error("a server ended before it said where it serves: run `serve` by itself to see why")]
    NotServing,

    /// The pipeline could not be made, or could not take a step.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),

    /// A number could not be read from a device.
    #[error("a result cannot be read from its device: {0}")]
    Read(#[from] TensorReadError),

    /// A mini-batch could not be put together.
    #[error(transparent)]
    Batch(#[from] DatasetError),

    /// The run could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),

    /// The run could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),

    /// A process could not be started, or the report could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
