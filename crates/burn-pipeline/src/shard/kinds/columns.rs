//! Whether a lifted function makes each column of its output from that column of the weights.

use std::any::type_name;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::{ModuleMapper, Param};
use burn::tensor::Tensor;
use burn::tensor::kind::Autodiff;

use super::simple::CutChannels;
use crate::layer::Layer;
use crate::shard::parameters;
use crate::shard::spread::{cut_out, dims_of};
use crate::signal::{Signal, TensorVisitor, Uniform, batch_size, narrow, plain};

/// What the weights of a layer are taken times and moved by before they are compared: as they are,
/// the other way round, and all the same, so that not all that they make is zero.
const OWN: [(f32, f32); 3] = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0)];
/// The same of the channels that are put beside them: so far from them that any mean, norm, maximum
/// or minimum over both is another one.
const OTHERS: [(f32, f32); 2] = [(100.0, 1.0), (-100.0, 1.0)];

/// Asks a layer once, in the first forward of a piece of it.
#[derive(Default)]
pub(super) struct Columns {
    asked: AtomicBool,
}

impl Columns {
    /// Run samples through `piece`, until one tells whether its function mixes channels.
    ///
    /// # Panics
    ///
    /// When it does.
    pub(super) fn ask<L: Layer>(&self, cut: &CutChannels, piece: &L, input: &L::Input) {
        if self.asked.load(Ordering::Relaxed) {
            return;
        }
        let mixes = mixes_channels(cut, piece, input);
        assert!(
            mixes != Some(true),
            "`{}` cannot be split by channel: its function mixes the channels of its output. Make \
             what follows the linear layer a layer of its own, or split this one by sample",
            type_name::<L>()
        );
        self.asked.store(mixes.is_some(), Ordering::Relaxed);
    }
}

/// Whether the channels that `layer` makes change when there are other channels before or behind
/// them; nothing where it makes no numbers but zeros of every sample.
pub(super) fn mixes_channels<L: Layer>(
    cut: &CutChannels,
    layer: &L,
    input: &L::Input,
) -> Option<bool> {
    let layer = layer.valid();
    let num_samples = batch_size(input).unwrap_or(0);
    (0..num_samples).find_map(|index| {
        let sample = plain(narrow(input, index..index + 1));
        let told = OWN.map(|own| mixes_in(cut, &layer, own, &sample));
        match told.contains(&Some(true)) {
            true => Some(true),
            false => told.into_iter().flatten().next(),
        }
    })
}

/// The same of one sample, and of the layer with its weights changed.
fn mixes_in<L: Layer>(
    cut: &CutChannels,
    layer: &L,
    own: (f32, f32),
    sample: &L::Input,
) -> Option<bool> {
    let ids = parameters::Params::of(layer).ids;
    let device = layer.devices().remove(0);
    let others = OTHERS.map(|change| layer.clone().map(&mut Change(change)));
    let layer = layer.clone().map(&mut Change(own));
    let alone = layer.forward(sample.clone());
    let dims = dims_of(&alone);
    let Some((num_channels, front)) = dims.split_last() else {
        return Some(true);
    };

    let beside = |other: L| {
        let behind = (vec![layer.clone(), other.clone()], 0);
        [behind, (vec![other, layer.clone()], *num_channels)]
    };
    let numbers = numbers(&alone);
    let mixes = others.into_iter().flat_map(beside).any(|(pieces, start)| {
        let both = parameters::join(pieces, &cut.dims, &ids, &device).forward(sample.clone());
        let dims = dims_of(&both);
        if dims.split_last() != Some((&(2 * num_channels), front)) {
            return true;
        }
        let mut ranges: Vec<_> = front.iter().map(|size| 0..*size).collect();
        ranges.push(start..start + num_channels);
        !are_close(&self::numbers(&cut_out(both, ranges)), &numbers)
    });
    match mixes {
        false if numbers.iter().all(|it| *it == 0.0 || !it.is_finite()) => None,
        mixes => Some(mixes),
    }
}

fn numbers<S: Signal>(signal: &S) -> Vec<f64> {
    let mut numbers = Uniform(Numbers(Vec::new()));
    signal.visit(&mut numbers);
    numbers.0.0
}

fn are_close(one: &[f64], other: &[f64]) -> bool {
    let finite = other.iter().filter(|number| number.is_finite());
    let scale = finite.fold(0.0f64, |scale, number| scale.max(number.abs()));
    let close = |(one, other): (&f64, &f64)| {
        let same = one == other || one.is_nan() && other.is_nan();
        same || (one - other).abs() <= 1e-2 * scale
    };
    one.iter().zip(other).all(close)
}

struct Numbers(Vec<f64>);

impl TensorVisitor for Numbers {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>) {
        self.0.extend(tensor.to_data().iter::<f64>());
    }
}

/// Takes every parameter times a number, and moves it by another.
struct Change((f32, f32));

impl ModuleMapper for Change {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (scale, shift) = self.0;
        param.map(|tensor| tensor.mul_scalar(scale).add_scalar(shift))
    }
}
