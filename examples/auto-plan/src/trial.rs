use std::time::Instant;

use burn::optim::AdamConfig;
use burn_pipeline::{
    Partition, PipelineConfig, PipelineModule, PipelineOptimizer, Placement, Timeline,
};

use crate::Error;
use crate::model::{Network, cross_entropy};
use crate::pictures::Pictures;

const LEARNING_RATE: f64 = 1e-3;

/// A model that trains under one cut, and what its steps took.
pub struct Trial {
    pub name: &'static str,
    /// The step as it was simulated.
    pub predicted: Timeline,
    pipeline: PipelineModule<Network>,
    optimizer: PipelineOptimizer,
    /// Seconds from the call of a step until its loss is read, and what the stages did in them.
    steps: Vec<(f64, Timeline)>,
    /// The loss of the last step.
    pub loss: f32,
}

impl Trial {
    /// A pipeline that has not taken a step.
    pub fn new(
        name: &'static str,
        predicted: Timeline,
        model: Network,
        config: &PipelineConfig,
        placement: Placement,
    ) -> Result<Self, Error> {
        Ok(Self {
            name,
            predicted,
            pipeline: config.init(model, placement)?,
            optimizer: AdamConfig::new().init().into(),
            steps: Vec::new(),
            loss: f32::NAN,
        })
    }

    /// After one more step of training. What the first one takes does not count: caches are cold.
    pub fn step(mut self, batch: &Pictures) -> Result<Self, Error> {
        let Pictures { pictures, kinds } = batch.clone();
        let is_first = self.pipeline.num_steps() == 0;
        let start = Instant::now();
        let step = self.pipeline.train_step(pictures, kinds, cross_entropy)?;
        self.loss = step.loss.try_into_scalar::<f32>()?;
        let seconds = start.elapsed().as_secs_f64();
        if !is_first {
            self.steps.push((seconds, step.timeline));
        }
        self.pipeline = self
            .optimizer
            .step(LEARNING_RATE, self.pipeline, step.grads)?;
        Ok(self)
    }

    pub fn partition(&self) -> &Partition {
        self.pipeline.partition()
    }

    /// The step in the middle, by time: its seconds and what the stages did. There is one after the
    /// second step.
    pub fn median(&self) -> Option<(f64, &Timeline)> {
        let mut steps: Vec<_> = self.steps.iter().collect();
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, timeline) = steps.get(steps.len() / 2)?;
        Some((*seconds, timeline))
    }
}
