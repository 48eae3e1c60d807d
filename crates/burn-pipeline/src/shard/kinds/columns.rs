//! Whether a lifted function makes each column of its output from that column of the weights.

use std::any::type_name;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Tensor;
use burn::tensor::kind::Autodiff;

use super::simple::CutChannels;
use crate::layer::Layer;
use crate::shard::parameters;
use crate::shard::spread::{cut_out, dims_of};
use crate::signal::{Signal, TensorVisitor, Uniform, narrow, plain};

/// Asks a layer once, in the first forward of a piece of it.
#[derive(Default)]
pub(super) struct Columns {
    asked: AtomicBool,
}

impl Columns {
    /// Run one sample through `piece`, and through one that has each of its channels twice.
    ///
    /// # Panics
    ///
    /// When the channels are others then: the function mixes them.
    pub(super) fn ask<L: Layer>(&self, cut: &CutChannels, piece: &L, input: &L::Input) {
        if self.asked.swap(true, Ordering::Relaxed) {
            return;
        }
        let sample = plain(narrow(input, 0..1));
        let piece = piece.valid();
        let ids = parameters::Params::of(&piece).ids;
        let device = piece.devices().remove(0);
        let twice = parameters::join(vec![piece.clone(), piece.clone()], &cut.dims, &ids, &device);

        let once = piece.forward(sample.clone());
        let twice = twice.forward(sample);
        let dims = dims_of(&once);
        let half = match (dims.split_last(), dims_of(&twice).split_last()) {
            (Some((one, front)), Some((two, other))) if front == other && 2 * one == *two => {
                let front = front.iter().chain([one]);
                Some(cut_out(twice, front.map(|size| 0..*size).collect()))
            }
            _ => None,
        };
        assert!(
            half.is_some_and(|half| are_close(&half, &once)),
            "`{}` cannot be split by channel: its function mixes the channels of its output. Make \
             what follows the linear layer a layer of its own, or split this one by sample",
            type_name::<L>()
        );
    }
}

fn are_close<S: Signal>(one: &S, other: &S) -> bool {
    let numbers = |signal: &S| {
        let mut numbers = Uniform(Numbers(Vec::new()));
        signal.visit(&mut numbers);
        numbers.0.0
    };
    let (one, other) = (numbers(one), numbers(other));
    let scale = other
        .iter()
        .fold(0.0f64, |scale, number| scale.max(number.abs()));
    let close = |(one, other): (&f64, &f64)| (one - other).abs() <= 1e-2 * scale;
    one.iter().zip(&other).all(close)
}

struct Numbers(Vec<f64>);

impl TensorVisitor for Numbers {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>) {
        self.0.extend(tensor.to_data().iter::<f64>());
    }
}
