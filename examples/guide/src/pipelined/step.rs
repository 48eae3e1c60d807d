use burn::nn::loss::CrossEntropyLossConfig;
use burn::prelude::*;
use burn::train::ClassificationOutput;
use burn_pipeline::PipelineStep;

use super::model::Model;
use crate::DigitBatch;

type Logits = Tensor<2>;
type Targets = Tensor<1, Int>;

impl PipelineStep for Model {
    type Batch = DigitBatch;
    type Target = Targets;
    type Item = ClassificationOutput;

    fn split(&self, batch: DigitBatch) -> (Tensor<3>, Targets) {
        (batch.images, batch.targets)
    }

    fn loss(&self) -> impl Fn(Logits, Targets) -> Tensor<1> + Send + Sync + 'static {
        |output, targets| {
            CrossEntropyLossConfig::new()
                .init(&output.device())
                .forward(output, targets)
        }
    }

    fn item(&self, loss: Tensor<1>, output: Logits, targets: Targets) -> ClassificationOutput {
        ClassificationOutput::new(loss, output, targets)
    }
}
