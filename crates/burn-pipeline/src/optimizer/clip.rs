//! Clipping all gradients of a model together.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, FloatDType, Tensor};

use super::gradients::{Change, Measure, change, measure};

/// Added to the norm that is divided by, as PyTorch does.
const EPSILON: f64 = 1e-6;

/// Scale all gradients of `module` so that the norm of all of them together, as of one long
/// vector, is at most `max_norm`. Returns the norm before.
///
/// This is PyTorch's `clip_grad_norm_` (Pascanu, Mikolov and Bengio, *On the difficulty of training
/// recurrent neural networks*, 2013, section 3.2); Burn's own
/// [`GradientClipping`](burn::grad_clipping::GradientClipping) looks at one parameter at a time.
/// `module` is a plain model or a [`PipelineModule`](crate::PipelineModule), and the norm of the
/// same gradients is the same to the last bit: squares are summed per parameter, on its own device
/// and in single precision at least, and then over the parameters in their order, in double
/// precision.
///
/// When the norm is infinite or not a number, so are gradients after it, as with PyTorch's
/// `error_if_nonfinite=False`: look at what is returned, and leave the step out.
///
/// # Complexity
///
/// Two passes over the gradients, where they are, and one number per parameter to the host in one
/// read per device. The read waits for the backward passes to end.
///
/// ```
/// # use burn::nn::LinearConfig;
/// # use burn::optim::GradientsParams;
/// # use burn::tensor::{Device, Tensor};
/// use burn_pipeline::clip_gradients_by_norm;
/// # let device = Device::default().autodiff();
/// # let model = LinearConfig::new(2, 2).init(&device);
/// # let loss = model.forward(Tensor::<2>::ones([1, 2], &device)).sum();
///
/// let mut grads = GradientsParams::from_grads(loss.backward(), &model);
/// let norm = clip_gradients_by_norm(&model, &mut grads, 1.0);
/// assert!((norm - 6f64.sqrt()).abs() < 1e-6); // Six gradients of 1.
/// assert!((clip_gradients_by_norm(&model, &mut grads, 1.0) - 1.0).abs() < 1e-5);
/// ```
pub fn clip_gradients_by_norm<M: Module>(
    module: &M,
    grads: &mut GradientsParams,
    max_norm: f64,
) -> f64 {
    let squares = measure(module, grads, &SumOfSquares);
    let norm = squares.into_iter().sum::<f64>().sqrt();
    let coefficient = max_norm / (norm + EPSILON);
    if coefficient >= 1.0 {
        return norm;
    }
    change(module, grads, &Scale(coefficient));
    norm
}

/// Bring every number of every gradient of `module` into `-max..=max`, as PyTorch's
/// `clip_grad_value_` does. What is not a number stays so.
///
/// # Complexity
///
/// One pass over the gradients, each on its own device; nothing is read.
pub fn clip_gradients_by_value<M: Module>(module: &M, grads: &mut GradientsParams, max: f64) {
    change(module, grads, &Clamp(max));
}

struct SumOfSquares;

impl Measure for SumOfSquares {
    fn measure<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<1> {
        // In half precision, squares overflow where gradients do not.
        let gradient = match gradient.dtype() {
            DType::F16 | DType::BF16 => gradient.cast(FloatDType::F32),
            _ => gradient,
        };
        // By rows first: a CPU backend sums a large tensor at once in the order in which its
        // threads come.
        gradient.square().sum_dim(D - 1).sum()
    }
}

pub(super) struct Scale(pub(super) f64);

impl Change for Scale {
    fn change<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D> {
        gradient.mul_scalar(self.0)
    }
}

struct Clamp(f64);

impl Change for Clamp {
    fn change<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D> {
        gradient.clamp(-self.0, self.0)
    }
}
