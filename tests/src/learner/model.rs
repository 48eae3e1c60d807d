//! A classifier that trains on one device, and in a pipeline.

use core::fmt::{Debug, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::batches::{Batch, NUM_CLASSES, NUM_FEATURES};
use crate::data::filled;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, Relu};
use burn::tensor::{Device, Int, Tensor};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use burn_pipeline::{Layer, PipelineStep, Ranked, Sequential, ranked};

const WIDTH: usize = 12;

/// Fails the layer that holds it, once that has run as often as it is told.
#[derive(Clone)]
pub struct Fuse(Arc<AtomicUsize>);

impl Fuse {
    /// Fail the `num_runs`th run from now, counted from 1.
    pub fn burn_in(&self, num_runs: usize) {
        self.0.store(num_runs, Ordering::Relaxed);
    }

    fn run(&self) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            panic!("the fuse has burnt");
        }
    }
}

impl Debug for Fuse {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        f.write_str("Fuse")
    }
}

/// A hidden layer.
#[derive(Module, Debug)]
pub struct Hidden {
    linear: Linear,
    activation: Relu,
    dropout: Option<Dropout>,
    /// What makes it fail.
    #[module(skip)]
    pub fuse: Fuse,
}

impl Layer for Hidden {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.fuse.run();
        let hidden = self.activation.forward(self.linear.forward(input));
        match &self.dropout {
            Some(dropout) => dropout.forward(hidden),
            None => hidden,
        }
    }
}

/// Four layers: three hidden ones and a head.
#[derive(Module, Sequential, Debug)]
pub struct Classifier {
    /// All but the head.
    pub hidden: Vec<Hidden>,
    head: Ranked<Linear, 2>,
}

impl Classifier {
    /// Its parameters are the same every time.
    pub fn new(dropout: Option<f64>, device: &Device) -> Self {
        let hidden = |inputs| Hidden {
            linear: LinearConfig::new(inputs, WIDTH).init(device),
            activation: Relu::new(),
            dropout: dropout.map(|prob| DropoutConfig::new(prob).init()),
            fuse: Fuse(Arc::new(AtomicUsize::new(0))),
        };
        filled(Self {
            hidden: vec![hidden(NUM_FEATURES), hidden(WIDTH), hidden(WIDTH)],
            head: ranked(LinearConfig::new(WIDTH, NUM_CLASSES).init(device)),
        })
    }

    fn classify(&self, batch: Batch) -> ClassificationOutput {
        let output = self.forward_layers(batch.features);
        let loss = cross_entropy(output.clone(), batch.targets.clone());
        ClassificationOutput::new(loss, output, batch.targets)
    }
}

fn cross_entropy(output: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let loss = CrossEntropyLossConfig::new().init(&output.device());
    loss.forward(output, targets)
}

impl TrainStep for Classifier {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let item = self.classify(batch);
        TrainOutput::new(self, item.loss.backward(), item)
    }
}

impl InferenceStep for Classifier {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.classify(batch)
    }
}

impl PipelineStep for Classifier {
    type Batch = Batch;
    type Target = Tensor<1, Int>;
    type Item = ClassificationOutput;

    fn split(&self, batch: Batch) -> (Tensor<2>, Tensor<1, Int>) {
        (batch.features, batch.targets)
    }

    fn loss(&self) -> impl Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1> + Send + Sync + 'static {
        cross_entropy
    }

    fn item(
        &self,
        loss: Tensor<1>,
        output: Tensor<2>,
        targets: Tensor<1, Int>,
    ) -> ClassificationOutput {
        ClassificationOutput::new(loss, output, targets)
    }
}
