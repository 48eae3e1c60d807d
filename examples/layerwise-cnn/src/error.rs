use burn::tensor::TensorReadError;
use burn_pipeline::{
    ClusterError, DeviceError, GraphError, LayerwiseError, PipelineError, ShardError,
};
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

    /// The model could not be measured.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),

    /// The links or devices that were described are none.
    #[error(transparent)]
    Cluster(#[from] ClusterError),

    /// The model makes no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),

    /// No plan could be found.
    #[error(transparent)]
    Layerwise(#[from] LayerwiseError),

    /// A plan could not be carried out.
    #[error(transparent)]
    Shard(#[from] ShardError),

    /// A number could not be read from a device.
    #[error("a result cannot be read from its device: {0}")]
    Read(#[from] TensorReadError),

    /// The report or the drawing could not be written.
    #[error("cannot write the report: {0}")]
    Report(#[from] std::io::Error),
}
