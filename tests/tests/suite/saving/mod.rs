//! A run that is saved goes on as if it had never stopped.

mod files;
mod goes_on;

use std::fs;
use std::path::PathBuf;

use burn::module::ParamId;
use burn::tensor::Device;
use burn_pipeline::{Ema, PipelineModule, PipelineOptimizer};
use burn_pipeline_tests::models::Toy;

const SEED: u64 = 7;

fn train<T: Toy>(
    mut pipeline: PipelineModule<T::Model>,
    optimizer: &mut PipelineOptimizer,
    ema: &mut Ema,
    num_steps: usize,
) -> PipelineModule<T::Model> {
    for _ in 0..num_steps {
        let (input, target) = T::batch(6, &Device::flex());
        let step = pipeline.train_step(input, target, T::loss).unwrap();
        pipeline = optimizer.step(0.05, pipeline, step.grads).unwrap();
        ema.update(&pipeline);
    }
    pipeline
}

/// The path of a directory that is removed in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        Self(directory.join(format!("saved-{}", ParamId::new().val())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
