//! Which kind a layer is of.

use std::any::Any;
use std::sync::Arc;

use burn::nn;
use burn::nn::attention::MultiHeadAttention;
use burn::nn::conv;
use burn::nn::pool;
use burn_pipeline_plan::{Axis, Reads};

use super::attention::Heads;
use super::base::Kind;
use super::batch_norm::Synchronised;
use super::known::simple;
use super::simple::Simple;
use super::sliding::Sliding;
use crate::layer::{Layer, Ranked};
use crate::shard::layout::Layout;
use crate::shard::parameters::Params;

/// What `layer` can be split along, and how. `before` is what the layer before it leaves.
pub(crate) fn kind_of<L: Layer>(layer: &L, before: Option<&Layout>) -> Arc<dyn Kind<L>> {
    convolution(layer)
        .or_else(|| pooling(layer))
        .or_else(|| batch_norm(layer))
        .or_else(|| same::<L, MultiHeadAttention>(Heads::of(layer)?))
        .or_else(|| Some(Arc::new(simple(layer, before)?)))
        .unwrap_or_else(|| Arc::new(other(layer)))
}

/// A kind of layers of type `X`, where `L` is `X`.
fn same<L: Layer, X: Layer>(kind: impl Kind<X> + 'static) -> Option<Arc<dyn Kind<L>>> {
    let kind: Arc<dyn Kind<X>> = Arc::new(kind);
    let kind: Box<dyn Any> = Box::new(kind);
    kind.downcast().ok().map(|kind| *kind)
}

fn convolution<L: Layer>(layer: &L) -> Option<Arc<dyn Kind<L>>> {
    // Adapters on the weights are parameters as well, and nobody knows how to cut them.
    let num_params = |bias: bool| 1 + usize::from(bias);
    let cut = |bias| Params::of(layer).ids.len() == num_params(bias);
    let any: &dyn Any = layer;
    if let Some(conv) = any.downcast_ref::<conv::Conv1d>() {
        return same::<L, conv::Conv1d>(Sliding::<3>::convolution(conv, cut(conv.bias.is_some())));
    }
    if let Some(conv) = any.downcast_ref::<conv::Conv2d>() {
        return same::<L, conv::Conv2d>(Sliding::<4>::convolution(conv, cut(conv.bias.is_some())));
    }
    None
}

fn pooling<L: Layer>(layer: &L) -> Option<Arc<dyn Kind<L>>> {
    if averages_beyond_its_input(layer) {
        return None;
    }
    None.or_else(|| same::<L, pool::MaxPool1d>(Sliding::<3>::pooling()))
        .or_else(|| same::<L, pool::MaxPool2d>(Sliding::<4>::pooling()))
        .or_else(|| same::<L, pool::AvgPool1d>(Sliding::<3>::pooling()))
        .or_else(|| same::<L, pool::AvgPool2d>(Sliding::<4>::pooling()))
}

/// Whether a window may reach beyond input and padding: then what it is divided by is no number
/// that a part could know.
fn averages_beyond_its_input<L: Layer>(layer: &L) -> bool {
    let any: &dyn Any = layer;
    let one = any
        .downcast_ref()
        .map(|pool: &pool::AvgPool1d| pool.ceil_mode);
    let two = any
        .downcast_ref()
        .map(|pool: &pool::AvgPool2d| pool.ceil_mode);
    one.or(two).unwrap_or(false)
}

fn batch_norm<L: Layer>(layer: &L) -> Option<Arc<dyn Kind<L>>> {
    let kind = || Synchronised::of(layer);
    None.or_else(|| same::<L, Ranked<nn::BatchNorm, 2>>(kind()))
        .or_else(|| same::<L, Ranked<nn::BatchNorm, 3>>(kind()))
        .or_else(|| same::<L, Ranked<nn::BatchNorm, 4>>(kind()))
        .or_else(|| same::<L, Ranked<nn::BatchNorm, 5>>(kind()))
}

/// Any layer: by sample, unless it mixes them.
fn other<L: Layer>(layer: &L) -> Simple {
    let splits = match Params::of(layer).in_batch_norm {
        true => Vec::new(),
        false => vec![Axis::Sample],
    };
    Simple {
        splits,
        input: Layout::samples(),
        output: None,
        reads: Reads::ALL,
        cut: None,
        columns: None,
    }
}
