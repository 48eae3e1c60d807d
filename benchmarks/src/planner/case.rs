//! A model to be profiled, and its pipelines.

use burn::tensor::Tensor;
use burn_pipeline::{
    PipelineConfig, PipelineModule, Placement, Profile, Profiler, Sequential, Timeline,
};

use super::NUM_STAGES;
use crate::devices::Devices;
use crate::measure::{mean_square, seconds};
use crate::settle::wait_for_gradients;

/// A model, and the mini-batch that it trains on.
pub struct Case<M, const D: usize> {
    pub name: String,
    pub model: M,
    pub batch: (Tensor<D>, Tensor<D>),
}

impl<const D: usize, M> Case<M, D>
where
    M: Sequential<Input = Tensor<D>, Output = Tensor<D>> + 'static,
{
    pub fn num_samples(&self) -> usize {
        self.batch.0.dims()[0]
    }

    /// The bytes of the mini-batch, which is cut before a step begins.
    pub fn batch_bytes(&self) -> u64 {
        let (input, target) = &self.batch;
        4 * (input.shape().num_elements() + target.shape().num_elements()) as u64
    }

    /// Three sweeps through the layers, as many at once as a stage has, beside so many neighbours, with
    /// micro-batches as the mini-batch's.
    pub fn profile(
        &self,
        devices: &Devices,
        num_micro_batches: usize,
        num_neighbours: usize,
    ) -> Profile {
        // Where devices have memory of their own, it is not what the allocator counts, nor is it asked.
        let profiler = Profiler::new()
            .with_num_samples([self.num_samples() / num_micro_batches])
            .with_repetitions(3)
            .with_threads_per_stage(Some(1))
            .with_neighbours(num_neighbours)
            .with_layers_at_once(self.model.num_layers() / NUM_STAGES)
            .with_live_bytes(|| crate::ALLOCATOR.current_usage() as u64)
            .with_peak_bytes(|| {
                let peak = crate::ALLOCATOR.peak_usage() as u64;
                crate::ALLOCATOR.reset_peak_usage();
                peak
            });
        profiler
            .profile_with_loss(
                &self.model,
                self.batch.clone(),
                mean_square,
                devices.first(),
            )
            .expect("a benchmark's model runs")
    }

    pub fn pipeline(
        &self,
        devices: &Devices,
        config: &PipelineConfig,
        num_layers: Option<&[usize]>,
    ) -> PipelineModule<M> {
        let devices = devices.of(NUM_STAGES);
        let placement = match num_layers {
            Some(num_layers) => Placement::from_counts(&devices, num_layers),
            None => Placement::even(&devices),
        };
        config
            .init(self.model.clone(), placement)
            .expect("a benchmark's configuration is right")
    }

    /// One step until all is computed: its timeline and its seconds.
    pub fn step(&self, pipeline: &PipelineModule<M>) -> (Timeline, f64) {
        let (input, target) = self.batch.clone();
        seconds(|| {
            let step = pipeline
                .train_step(input, target, mean_square)
                .expect("a benchmark's step succeeds");
            wait_for_gradients(pipeline.inner(), &step.grads);
            step.loss.into_scalar::<f32>();
            step.timeline
        })
    }
}
