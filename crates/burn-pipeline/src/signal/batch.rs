//! Splitting a signal along its samples, and joining the parts again.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::kind::Autodiff;

use super::{Signal, TensorMapper, TensorVisitor, Uniform};

/// Why a signal has no batch size, or why its parts cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BatchShape {
    NoTensor,
    Disagree {
        first: usize,
        other: usize,
    },
    Structure {
        first: usize,
        other: usize,
    },
    Sizes {
        first: Vec<usize>,
        other: Vec<usize>,
    },
}

/// The number of samples: the first dimension that all tensors of `signal` agree on.
pub(crate) fn batch_size<S: Signal>(signal: &S) -> Result<usize, BatchShape> {
    let mut sizes = Uniform(Sizes(Vec::new()));
    signal.visit(&mut sizes);

    let first = *sizes.0.0.first().ok_or(BatchShape::NoTensor)?;
    match sizes.0.0.iter().find(|size| **size != first) {
        Some(&other) => Err(BatchShape::Disagree { first, other }),
        None => Ok(first),
    }
}

/// The samples of `range`, of every tensor.
pub(crate) fn narrow<S: Signal>(signal: &S, range: Range<usize>) -> S {
    signal.clone().map(&mut Uniform(Narrow(range)))
}

/// The parts as one signal, joined along the samples.
pub(crate) fn concat<S: Signal>(parts: Vec<S>) -> Result<S, BatchShape> {
    concat_along(parts, 0)
}

/// The parts as one signal, each of its tensors joined along dimension `dim`.
pub(crate) fn concat_along<S: Signal>(parts: Vec<S>, dim: usize) -> Result<S, BatchShape> {
    let mut columns: Vec<VecDeque<Box<dyn Any>>> = Vec::new();
    for part in &parts {
        let mut tensors = Uniform(Tensors(VecDeque::new()));
        part.visit(&mut tensors);
        columns.push(tensors.0.0);
    }

    let first = columns.first().map_or(0, VecDeque::len);
    if let Some(other) = columns.iter().map(VecDeque::len).find(|len| *len != first) {
        return Err(BatchShape::Structure { first, other });
    }

    let mut parts = parts.into_iter();
    let model = parts.next().ok_or(BatchShape::NoTensor)?;
    drop(parts);
    let mut join = Uniform(Join {
        dim,
        columns,
        mismatch: None,
    });
    let joined = model.map(&mut join);

    match join.0.mismatch {
        Some(mismatch) => Err(mismatch),
        None => Ok(joined),
    }
}

struct Sizes(Vec<usize>);

impl TensorVisitor for Sizes {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>) {
        self.0.push(tensor.dims()[0]);
    }
}

struct Narrow(Range<usize>);

impl TensorMapper for Narrow {
    fn map_tensor<const D: usize, K: Autodiff + 'static>(
        &mut self,
        tensor: Tensor<D, K>,
    ) -> Tensor<D, K> {
        match self.0.len() == tensor.dims()[0] {
            true => tensor,
            false => tensor.narrow(0, self.0.start, self.0.len()),
        }
    }
}

struct Tensors(VecDeque<Box<dyn Any>>);

impl TensorVisitor for Tensors {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>) {
        self.0.push_back(Box::new(tensor.clone()));
    }
}

struct Join {
    dim: usize,
    columns: Vec<VecDeque<Box<dyn Any>>>,
    mismatch: Option<BatchShape>,
}

impl TensorMapper for Join {
    fn map_tensor<const D: usize, K: Autodiff + 'static>(
        &mut self,
        tensor: Tensor<D, K>,
    ) -> Tensor<D, K> {
        let column: Option<Vec<Tensor<D, K>>> = self
            .columns
            .iter_mut()
            .map(|column| Some(*column.pop_front()?.downcast::<Tensor<D, K>>().ok()?))
            .collect();

        let Some(mut column) = column else {
            self.mismatch = Some(BatchShape::Structure { first: 1, other: 1 });
            return tensor;
        };
        let sizes = |tensor: &Tensor<D, K>| {
            let mut sizes = tensor.dims().to_vec();
            sizes.remove(self.dim);
            sizes
        };
        let first = sizes(&tensor);
        if let Some(other) = column.iter().map(sizes).find(|other| *other != first) {
            self.mismatch = Some(BatchShape::Sizes { first, other });
            return tensor;
        }
        match column.len() {
            1 => column.remove(0),
            _ => Tensor::cat(column, self.dim),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int};

    use super::*;

    type Pair = (Tensor<2>, Option<Tensor<1, Int>>);

    fn pair(device: &Device) -> Pair {
        let floats = Tensor::<1, Int>::arange(0..10, device)
            .float()
            .reshape([5, 2]);
        (floats, Some(Tensor::arange(0..5, device)))
    }

    #[test]
    fn parts_joined_again_are_the_whole() {
        let device = Device::flex();
        let whole = pair(&device);
        let parts = vec![
            narrow(&whole, 0..2),
            narrow(&whole, 2..4),
            narrow(&whole, 4..5),
        ];
        let joined = concat(parts).expect("parts of one signal");

        joined.0.into_data().assert_eq(&whole.0.into_data(), true);
        let (joined, whole) = (joined.1.expect("present"), whole.1.expect("present"));
        joined.into_data().assert_eq(&whole.into_data(), true);
    }

    #[test]
    fn tensors_that_disagree_on_the_batch_size_are_refused() {
        let device = Device::flex();
        let (floats, ints) = pair(&device);
        let ints = ints.map(|ints| ints.narrow(0, 0, 3));

        assert_eq!(
            batch_size(&(floats, ints)),
            Err(BatchShape::Disagree { first: 5, other: 3 })
        );
        assert_eq!(batch_size(&()), Err(BatchShape::NoTensor));
    }

    #[test]
    fn parts_of_different_sizes_are_refused() {
        let device = Device::flex();
        let part = |length| Tensor::<2>::zeros([2, length], &device);
        assert_eq!(
            concat(vec![part(5), part(7)]).err(),
            Some(BatchShape::Sizes {
                first: vec![5],
                other: vec![7]
            })
        );
    }

    #[test]
    fn parts_of_different_structure_are_refused() {
        let device = Device::flex();
        let (floats, ints) = pair(&device);

        let joined = concat(vec![(floats.clone(), ints), (floats, None)]);
        assert_eq!(
            joined.err(),
            Some(BatchShape::Structure { first: 2, other: 1 })
        );
    }
}
