use burn::tensor::{Device, Tensor};
use burn_pipeline::{Sequential, Signal};

/// A model with mini-batches and a loss: all that a training step takes.
pub trait Toy: 'static {
    /// The model.
    type Model: Sequential + 'static;
    /// What the loss compares its output with.
    type Target: Signal;

    /// Whether making the model or training it draws from Burn's generator, or seeds it: then a
    /// test holds [`generator`](crate::data::generator).
    const DRAWS: bool = false;

    /// The model, with the same parameters every time.
    fn model(device: &Device) -> Self::Model;

    /// A mini-batch, the same every time; the first samples of a larger one are those of a
    /// smaller one.
    fn batch(num_samples: usize, device: &Device) -> (Input<Self>, Self::Target);

    /// The mean over samples.
    fn loss(output: Output<Self>, target: Self::Target) -> Tensor<1>;
}

/// What a toy's model takes.
pub type Input<T> = <<T as Toy>::Model as Sequential>::Input;

/// What a toy's model sends.
pub type Output<T> = <<T as Toy>::Model as Sequential>::Output;

/// The mean square of the difference.
pub fn mean_square<const D: usize>(output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    (output - target).powi_scalar(2).mean()
}
