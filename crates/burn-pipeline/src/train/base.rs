use burn::module::ModuleDisplay;
use burn::tensor::Tensor;
use burn::train::ItemLazy;

use crate::{Reduction, Sequential, Signal};

/// What burn-train's `Learner` has to know of a model to train it in a pipeline: what the model
/// takes from a batch, its loss, and what metrics see.
///
/// [`PipelineModule`](crate::PipelineModule) of such a model is a `TrainStep` and an
/// `InferenceStep` of burn-train, so a `Learner` and an `Evaluator` take it as their model.
/// On one device a step is one function from a batch to its loss and gradients; in a pipeline the
/// input enters the first stage, and the loss is computed on the last, of one micro-batch at a
/// time. That is why the three are apart here.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::Linear;
/// use burn::nn::loss::{MseLoss, Reduction};
/// use burn::tensor::Tensor;
/// use burn::train::RegressionOutput;
/// use burn_pipeline::{PipelineStep, Ranked, Sequential};
///
/// #[derive(Module, Sequential, Debug)]
/// struct Model {
///     hidden: Ranked<Linear, 2>,
///     head: Ranked<Linear, 2>,
/// }
///
/// struct Batch {
///     inputs: Tensor<2>,
///     targets: Tensor<2>,
/// }
///
/// impl PipelineStep for Model {
///     type Batch = Batch;
///     type Target = Tensor<2>;
///     type Item = RegressionOutput;
///
///     fn split(&self, batch: Batch) -> (Tensor<2>, Tensor<2>) {
///         (batch.inputs, batch.targets)
///     }
///
///     fn loss(&self) -> impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1> + Send + Sync + 'static {
///         |output, targets| MseLoss::new().forward(output, targets, Reduction::Mean)
///     }
///
///     fn item(&self, loss: Tensor<1>, output: Tensor<2>, targets: Tensor<2>) -> RegressionOutput {
///         RegressionOutput::new(loss, output, targets)
///     }
/// }
/// ```
pub trait PipelineStep: Sequential + ModuleDisplay + 'static {
    /// What the data loader yields: a mini-batch.
    type Batch: Send + 'static;

    /// What the loss compares the outputs with; every tensor `[num_samples, ..]`.
    type Target: Signal;

    /// What metrics see of a mini-batch: burn-train's `ClassificationOutput`, `RegressionOutput`, or
    /// one of your own.
    type Item: ItemLazy + 'static;

    /// The model's input and the target of a mini-batch, on any device.
    fn split(&self, batch: Self::Batch) -> (Self::Input, Self::Target);

    /// The loss of the outputs, shape `[1]`.
    ///
    /// In training it runs on the last stage's worker, on one micro-batch; in validation on the
    /// calling thread, on the whole mini-batch. What it needs of the model, class weights say, it
    /// takes along as plain numbers: the parameters are another thread's.
    fn loss(&self) -> impl Fn(Self::Output, Self::Target) -> Tensor<1> + Send + Sync + 'static;

    /// What metrics see: the loss, the outputs and the target of the whole mini-batch, all on the
    /// device of the last stage and without autodiff.
    fn item(&self, loss: Tensor<1>, output: Self::Output, target: Self::Target) -> Self::Item;

    /// How the losses of micro-batches make the loss of their mini-batch: as means over samples,
    /// unless this says otherwise.
    fn reduction(&self) -> Reduction<Self::Target> {
        Reduction::Mean
    }
}
