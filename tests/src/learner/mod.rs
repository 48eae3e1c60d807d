//! Runs of burn-train's `Learner`, on one device and in a pipeline.

mod batches;
mod model;
mod recorder;
mod run;

pub use batches::{BATCHES_PER_EPOCH, Batch, validation};
pub use model::{Classifier, Fuse};
pub use recorder::{Recorder, Told};
pub use run::{Folder, Outcome, Settings, in_stages, launch, on_one_device, pipelined};
