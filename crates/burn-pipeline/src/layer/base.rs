use burn::module::Module;

use crate::signal::Signal;

/// The smallest unit that a cut can fall between: a module with one forward.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, Relu};
/// use burn::tensor::Tensor;
/// use burn_pipeline::Layer;
///
/// #[derive(Module, Debug)]
/// struct Hidden {
///     linear: Linear,
///     activation: Relu,
/// }
///
/// impl Layer for Hidden {
///     type Input = Tensor<2>;
///     type Output = Tensor<2>;
///
///     fn forward(&self, input: Tensor<2>) -> Tensor<2> {
///         self.activation.forward(self.linear.forward(input))
///     }
/// }
/// ```
///
/// A layer must compute the same for the same input, parameters and random numbers, and each
/// sample of its output from the same sample of its input: then a mini-batch may be split into
/// micro-batches, and rematerialization may run the layer twice. Batch norm in training is the
/// known exception: it normalises per micro-batch.
///
/// Every tensor of the input is on the device of the layer's stage, in its autodiff context while
/// training. A tensor that the layer makes itself belongs on the input's device.
///
/// # Parameters on other devices
///
/// A layer may keep parameters on devices of its own: then its `Module::fork` and
/// `Module::to_device` leave them where they are. A stage with such a layer spans a *group*: its own
/// device, which takes the input and gives the output of every layer, and the devices that its layers
/// keep. [`PipelineConfig::init`](crate::PipelineConfig::init) finds them: what is elsewhere after
/// `fork` to the stage's device is kept there. Gradients, their sums, the optimizer's states and
/// running statistics are where their parameters are.
///
/// The forward of such a layer moves what it computes on by `to_device`, there and back, and gradients
/// go back the same way. These moves are the layer's own: they are not among the bytes that a step
/// reports as received, and the stage waits for them, as for any move between backends. Between
/// servers of which each lends several devices, two of them can wait for each other: let the devices of
/// a group be of this machine and of one server.
pub trait Layer: Module + 'static {
    /// What the layer takes.
    type Input: Signal;
    /// What the layer sends.
    type Output: Signal;

    /// Compute the output of one micro-batch.
    fn forward(&self, input: Self::Input) -> Self::Output;
}
