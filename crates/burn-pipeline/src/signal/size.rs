//! How large a signal is, and another one of the same size.

use burn::tensor::Tensor;
use burn::tensor::kind::Autodiff;

use super::{Signal, TensorMapper, TensorVisitor, Uniform};

/// The bytes of all tensors, those in skips too.
pub(crate) fn num_bytes<S: Signal>(signal: &S) -> u64 {
    let mut bytes = Uniform(Bytes(0));
    signal.visit(&mut bytes);
    bytes.0.0
}

/// The signal without autodiff, in memory that nothing else holds.
pub(super) fn copied<S: Signal>(signal: S) -> S {
    signal.map(&mut Uniform(Copied))
}

struct Bytes(u64);

impl TensorVisitor for Bytes {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>) {
        self.0 += (tensor.shape().num_elements() * tensor.dtype().size()) as u64;
    }
}

struct Copied;

impl TensorMapper for Copied {
    fn map_tensor<const D: usize, K: Autodiff + 'static>(
        &mut self,
        tensor: Tensor<D, K>,
    ) -> Tensor<D, K> {
        let tensor = tensor.without_autodiff();
        let (device, dtype) = (tensor.device(), tensor.dtype());
        Tensor::from_data(tensor.into_data(), (&device, dtype))
    }
}
