//! A failure of a pipeline, as the `Learner` reports failures.

use burn::data::dataset::DatasetError;
use burn::train::TrainingError;
use burn::train::train::WorkerFailure;

use crate::PipelineError;

/// A stage is a worker, and a batch that cannot be split is the data's fault. What fails outside of
/// a stage is told of the first.
impl From<PipelineError> for TrainingError {
    fn from(error: PipelineError) -> Self {
        let device_id = match &error {
            PipelineError::Batch(_) => return Self::Dataset(DatasetError::new(error)),
            PipelineError::Stage(error) => error.stage,
            PipelineError::DeviceLost(lost) => lost.stage,
            _ => 0,
        };
        Self::Workers(vec![WorkerFailure {
            device_id,
            message: error.to_string(),
        }])
    }
}
