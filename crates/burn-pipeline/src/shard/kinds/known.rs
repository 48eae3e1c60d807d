//! The layers of `burn::nn` whose part is the layer itself on a piece of its input.

use std::any::{Any, TypeId};

use burn::nn;
use burn::nn::activation as act;
use burn::nn::{conv, interpolate, pool};
use burn::tensor::Tensor;
use burn_pipeline_plan::{Axis, AxisReads, Reads};

use super::columns::Columns;
use super::simple::{CutChannels, Simple};
use crate::layer::{Layer, Lift, Ranked};
use crate::random;
use crate::shard::layout::Layout;
use crate::shard::parameters::Params;

/// The kind of a layer that needs no more than a piece of its parameters and of its input.
pub(super) fn simple<L: Layer>(layer: &L, before: Option<&Layout>) -> Option<Simple> {
    linear(layer)
        .or_else(|| embedding(layer))
        .or_else(|| other_convolution(layer))
        .or_else(|| channel_by_channel::<L>())
        .or_else(|| norm::<L>())
        .or_else(|| passing_on::<L>(before))
}

/// The sizes of the first parameter, where there are as many parameters as are known.
fn cut<L: Layer>(layer: &L, dims: [usize; 2]) -> Option<CutChannels> {
    let params = Params::of(layer);
    let dims = dims.get(..params.ids.len())?.to_vec();
    Some(CutChannels {
        num: *params.first?.get(dims[0])?,
        dims,
    })
}

macro_rules! rank_of {
    ($layer:ty, $module:ty) => {
        rank_of!($layer, $module; 1 2 3 4 5 6)
    };
    ($layer:ty, $module:ty; $($rank:literal)+) => {
        None$(.or(is::<$layer, Ranked<$module, $rank>>().then_some($rank)))+
    };
}

/// The rank of the output of a `Linear` that is lifted, whatever its function does with the input.
fn lifted_rank<L: Layer>() -> Option<usize> {
    macro_rules! lifted {
        ($($output:literal)+) => {
            None$(.or_else(|| lifted!(from $output; 1 2 3 4 5 6)))+
        };
        (from $output:literal; $($input:literal)+) => {
            None$(.or(
                is::<L, Lift<nn::Linear, Tensor<$input>, Tensor<$output>>>().then_some($output)
            ))+
        };
    }
    lifted!(1 2 3 4 5 6)
}

fn linear<L: Layer>(layer: &L) -> Option<Simple> {
    let ranked = rank_of!(L, nn::Linear);
    let rank = ranked.or_else(lifted_rank::<L>)?;
    let output = match ranked {
        Some(rank) => Layout::channels_last(rank),
        None if rank == 1 => Layout::samples(),
        None => Layout::channels_last(rank),
    };
    let has_channels = output.dimension(Axis::Channel).is_some();
    let cut = cut(layer, [1, 0]).filter(|_| has_channels);
    let mut splits = vec![Axis::Sample];
    splits.extend(cut.is_some().then_some(Axis::Channel));
    let (input, reads) = match ranked {
        Some(rank) => {
            splits.extend(positions(rank));
            (Layout::channels_last(rank), Reads::ALL_CHANNELS)
        }
        None => (Layout::samples(), Reads::ALL),
    };
    Some(Simple {
        splits,
        input,
        output: Some(output),
        reads,
        cut,
        columns: ranked.is_none().then(Columns::default),
    })
}

/// What lies between the samples and the channels of a tensor whose channels are last.
fn positions(rank: usize) -> impl Iterator<Item = Axis> {
    let layout = Layout::channels_last(rank);
    [Axis::Height, Axis::Width]
        .into_iter()
        .filter(move |axis| layout.dimension(*axis).is_some())
}

fn embedding<L: Layer>(layer: &L) -> Option<Simple> {
    (layer as &dyn Any).downcast_ref::<nn::Embedding>()?;
    let cut = cut(layer, [1, 0]).filter(|cut| cut.dims.len() == 1);
    let mut splits = vec![Axis::Sample];
    splits.extend(cut.is_some().then_some(Axis::Channel));
    splits.push(Axis::Height);
    Some(Simple {
        splits,
        input: Layout::tokens(),
        output: Some(Layout::channels_last(3)),
        reads: Reads::ALL_CHANNELS,
        cut,
        columns: None,
    })
}

/// Convolutions that are split by channel alone, and not when in groups.
fn other_convolution<L: Layer>(layer: &L) -> Option<Simple> {
    let any: &dyn Any = layer;
    let transposed = |groups, rank| (groups, rank, [1, 0]);
    let (groups, rank, dims) = None
        .or_else(|| {
            any.downcast_ref()
                .map(|it: &conv::Conv3d| (it.groups, 5, [0, 0]))
        })
        .or_else(|| {
            let conv: Option<&conv::ConvTranspose1d> = any.downcast_ref();
            conv.map(|it| transposed(it.groups, 3))
        })
        .or_else(|| {
            let conv: Option<&conv::ConvTranspose2d> = any.downcast_ref();
            conv.map(|it| transposed(it.groups, 4))
        })
        .or_else(|| {
            let conv: Option<&conv::ConvTranspose3d> = any.downcast_ref();
            conv.map(|it| transposed(it.groups, 5))
        })?;
    let cut = cut(layer, dims).filter(|_| groups == 1);
    let mut splits = vec![Axis::Sample];
    splits.extend(cut.is_some().then_some(Axis::Channel));
    Some(Simple {
        splits,
        input: Layout::images(rank),
        output: Some(Layout::images(rank)),
        reads: Reads::ALL,
        cut,
        columns: None,
    })
}

/// Layers that make each channel of an image from that channel.
fn channel_by_channel<L: Layer>() -> Option<Simple> {
    let rank = match () {
        () if is::<L, pool::AvgPool1d>() => 3,
        () if is::<L, pool::AdaptiveAvgPool1d>() => 3,
        () if is::<L, interpolate::Interpolate1d>() => 3,
        () if is::<L, pool::AvgPool2d>() => 4,
        () if is::<L, pool::AdaptiveAvgPool2d>() => 4,
        () if is::<L, interpolate::Interpolate2d>() => 4,
        () if is::<L, pool::AdaptiveAvgPool3d>() => 5,
        () => return None,
    };
    Some(Simple {
        splits: vec![Axis::Sample, Axis::Channel],
        input: Layout::images(rank),
        output: Some(Layout::images(rank)),
        reads: Reads {
            channel: AxisReads::Same,
            ..Reads::ALL
        },
        cut: None,
        columns: None,
    })
}

/// Norms over the last dimension.
fn norm<L: Layer>() -> Option<Simple> {
    let rank = rank_of!(L, nn::LayerNorm).or(rank_of!(L, nn::RmsNorm))?;
    Some(Simple {
        splits: [Axis::Sample].into_iter().chain(positions(rank)).collect(),
        input: Layout::channels_last(rank),
        output: Some(Layout::channels_last(rank)),
        reads: Reads::ALL_CHANNELS,
        cut: None,
        columns: None,
    })
}

/// Layers that compute each element from the one in its place: those that draw random numbers only
/// by sample.
fn passing_on<L: Layer>(before: Option<&Layout>) -> Option<Simple> {
    macro_rules! rank_of_one {
        ($($module:ty),+ $(,)?) => {
            None$(.or_else(|| rank_of!(L, $module)))+
        };
    }
    let drawing = || {
        rank_of_one!(
            random::Dropout,
            random::GaussianNoise,
            nn::Dropout,
            nn::GaussianNoise,
            act::RRelu,
        )
    };
    let still = rank_of_one!(
        nn::Identity,
        act::Celu,
        act::Elu,
        act::Gelu,
        act::HardShrink,
        act::HardSigmoid,
        act::HardSwish,
        act::Hardtanh,
        act::LeakyRelu,
        act::LogSigmoid,
        act::Mish,
        act::Relu,
        act::Relu6,
        act::Selu,
        act::Shrink,
        act::Sigmoid,
        act::SiLU,
        act::SoftShrink,
        act::Softplus,
        act::Softsign,
        act::Tanh,
        act::Tanhshrink,
        act::ThresholdedRelu,
    );
    let rank: usize = still.or_else(drawing)?;
    let layout = before.cloned().unwrap_or_else(|| Layout::of_rank(rank));
    let splits = match still {
        Some(_) => Axis::ALL
            .into_iter()
            .filter(|axis| layout.dimension(*axis).is_some())
            .collect(),
        None => vec![Axis::Sample],
    };
    Some(Simple {
        splits,
        input: layout.clone(),
        output: Some(layout),
        reads: Reads::SAME,
        cut: None,
        columns: None,
    })
}

fn is<L: Layer, X: 'static>() -> bool {
    TypeId::of::<L>() == TypeId::of::<X>()
}
