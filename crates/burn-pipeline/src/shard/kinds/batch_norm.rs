//! Batch norm over all samples and positions, wherever they are.

use std::collections::BTreeMap;

use burn::module::{Module, Param, ParamId, RunningState};
use burn::nn::BatchNorm;
use burn::tensor::{Device, Tensor};
use burn_pipeline_plan::{Axis, Reads, Shape};

use super::base::{Channels, Kind, Part, Parts, channel_range};
use crate::layer::{Ranked, ranked};
use crate::shard::layout::Layout;
use crate::shard::parameters::{ParameterBytes, Params, copied};
use crate::shard::traffic::{Counter, bytes_of};
use crate::transfer::move_to;

/// Batch norm whose parts agree on the mean and the variance of everything.
///
/// While it trains, each part computes the mean of what it has and the sum of squared distances from
/// it. They are added up where the piece of the parameters is (Chan, Golub and LeVeque, *Updating
/// formulae and a pairwise algorithm for computing sample variances*, 1979), and the sums go back to
/// the parts, all with their history: so the gradient is that of the whole layer. The running
/// statistics move on once.
pub(super) struct Synchronised {
    num_channels: usize,
}

impl Synchronised {
    /// A batch norm of any rank.
    pub(super) fn of(layer: &impl Module) -> Self {
        let gamma = Params::of(layer).first;
        Self {
            num_channels: gamma.map_or(0, |sizes| sizes[0]),
        }
    }
}

impl<const D: usize> Kind<Ranked<BatchNorm, D>> for Synchronised {
    fn splits(&self) -> Vec<Axis> {
        let layout = Layout::images(D);
        let there = |axis: &Axis| layout.dimension(*axis).is_some();
        Axis::ALL.into_iter().filter(there).collect()
    }

    fn channels(&self) -> Option<Channels> {
        Some(Channels::plain(self.num_channels))
    }

    fn input_layout(&self) -> Layout {
        Layout::images(D)
    }

    fn output_layout(&self) -> Option<Layout> {
        Some(Layout::images(D))
    }

    fn output_shape(&self, _layer: &Ranked<BatchNorm, D>, input: &Shape) -> Shape {
        *input
    }

    fn reads(&self, _layer: &Ranked<BatchNorm, D>, _input: &Shape) -> Reads {
        Reads::SAME
    }

    fn piece(
        &self,
        layer: &Ranked<BatchNorm, D>,
        degree: usize,
        index: usize,
        device: &Device,
    ) -> Ranked<BatchNorm, D> {
        let norm = layer.module();
        let channels = channel_range(self.num_channels, degree, index);
        let of = |tensor: Tensor<1>| {
            let require_grad = tensor.is_require_grad();
            let cut = tensor.detach().narrow(0, channels.start, channels.len());
            copied(cut, device).set_require_grad(require_grad)
        };
        let param = |param: &Param<Tensor<1>>| {
            let mut piece = param.clone().map(of);
            piece.id = ParamId::new();
            piece
        };
        let state = |state: &RunningState<Tensor<1>>| RunningState::new(of(state.value_sync()));
        ranked(BatchNorm {
            gamma: param(&norm.gamma),
            beta: param(&norm.beta),
            training: norm.training.clone(),
            running_mean: state(&norm.running_mean),
            running_var: state(&norm.running_var),
            ..norm.clone()
        })
    }

    fn join(
        &self,
        pieces: Vec<Ranked<BatchNorm, D>>,
        ids: &[ParamId],
        device: &Device,
    ) -> Ranked<BatchNorm, D> {
        let norms: Vec<_> = pieces.into_iter().map(Ranked::into_inner).collect();
        let first = norms[0].clone();
        let all = |of: &dyn Fn(&BatchNorm) -> Tensor<1>| {
            let tensors = norms.iter().map(|norm| of(norm).detach().to_device(device));
            Tensor::cat(tensors.collect(), 0).detach()
        };
        let param = |first: Param<Tensor<1>>, id, of: &dyn Fn(&BatchNorm) -> Tensor<1>| {
            let require_grad = first.is_require_grad();
            let mut whole = first.map(|_| all(of).set_require_grad(require_grad));
            whole.id = id;
            whole
        };
        ranked(BatchNorm {
            gamma: param(first.gamma.clone(), ids[0], &|norm| norm.gamma.base()),
            beta: param(first.beta.clone(), ids[1], &|norm| norm.beta.base()),
            running_mean: RunningState::with_id(
                ids[2],
                all(&|norm| norm.running_mean.value_sync()),
            ),
            running_var: RunningState::with_id(ids[3], all(&|norm| norm.running_var.value_sync())),
            ..first
        })
    }

    /// Burn moves running statistics in place, for all that share them: they stay.
    fn replica(&self, piece: &Ranked<BatchNorm, D>, device: &Device) -> Ranked<BatchNorm, D> {
        let norm = piece.module().clone();
        ranked(BatchNorm {
            gamma: norm.gamma.to_device(device),
            beta: norm.beta.to_device(device),
            ..norm
        })
    }

    fn parameter_bytes(&self, layer: &Ranked<BatchNorm, D>) -> ParameterBytes {
        let norm = layer.module();
        ParameterBytes::of(&(norm.gamma.clone(), norm.beta.clone()))
    }

    fn forward(&self, parts: Parts<Ranked<BatchNorm, D>>) -> Vec<Tensor<D>> {
        let trains = parts.parts.iter().any(|(part, input)| {
            input.device().is_autodiff() && part.layer.module().training.is_enabled()
        });
        if !trains {
            return parts.each(|part, input| part.layer.module().forward(input));
        }

        let mut pieces: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for (part, input) in parts.parts {
            let [_, channel, ..] = part.coordinates;
            pieces.entry(channel).or_default().push((part, input));
        }
        let mut outputs = BTreeMap::new();
        for members in pieces.into_values() {
            outputs.extend(together(members, parts.devices, parts.within));
        }
        outputs.into_values().collect()
    }
}

type Member<const D: usize> = (Part<Ranked<BatchNorm, D>>, Tensor<D>);

/// The outputs of the parts that have the same channels, by their place in the group.
fn together<const D: usize>(
    mut members: Vec<Member<D>>,
    devices: &[Device],
    within: &Counter,
) -> Vec<(usize, Tensor<D>)> {
    if members.len() == 1 {
        let (part, input) = members.remove(0);
        return vec![(part.at, part.layer.module().forward(input))];
    }

    let first = members[0].0.at;
    let told = |tensor: Tensor<1>, from: usize, to: usize| {
        if from != to {
            let bytes = bytes_of(&tensor);
            within.add(bytes, if tensor.is_tracked() { bytes } else { 0 });
        }
        move_to(tensor, &devices[to])
    };
    let told_to_all = |tensor: &Tensor<1>, to| told(tensor.clone(), first, to);

    let counts = members.iter().map(|(_, input)| per_channel(input));
    let counts: Vec<usize> = counts.collect();
    let total: usize = counts.iter().sum();
    let shares: Vec<f64> = counts
        .iter()
        .map(|count| *count as f64 / total as f64)
        .collect();
    let moments = members.iter().map(|(part, input)| {
        let (mean, variance) = moments(input.clone());
        (told(mean, part.at, first), told(variance, part.at, first))
    });
    let moments: Vec<_> = moments.collect();
    let mean = sum(&shares, moments.iter().map(|(mean, _)| mean.clone()));
    let variance = sum(
        &shares,
        moments.iter().map(|(of_part, variance)| {
            let distance = of_part.clone() - mean.clone();
            variance.clone() + distance.powi_scalar(2)
        }),
    );

    move_on(members[0].0.layer.module(), &mean, &variance);
    let outputs = members.into_iter().map(|(part, input)| {
        let (mean, variance) = (told_to_all(&mean, part.at), told_to_all(&variance, part.at));
        let norm = part.layer.module();
        let mut shape = [1; D];
        shape[1] = mean.dims()[0];
        let scale = (variance + norm.epsilon).sqrt().recip() * norm.gamma.val();
        let output = (input - mean.reshape(shape)) * scale.reshape(shape);
        (part.at, output + norm.beta.val().reshape(shape))
    });
    outputs.collect()
}

/// The numbers of each channel.
fn per_channel<const D: usize>(input: &Tensor<D>) -> usize {
    input.shape().num_elements() / input.dims()[1]
}

/// The mean and the variance of each channel.
fn moments<const D: usize>(input: Tensor<D>) -> (Tensor<1>, Tensor<1>) {
    let (num_channels, count) = (input.dims()[1], per_channel(&input));
    let rows = input.swap_dims(0, 1).reshape([num_channels, count]);
    let mean = rows.clone().mean_dim(1);
    let variance = (rows - mean.clone()).powi_scalar(2).mean_dim(1);
    (
        mean.reshape([num_channels]),
        variance.reshape([num_channels]),
    )
}

fn sum(shares: &[f64], of: impl Iterator<Item = Tensor<1>>) -> Tensor<1> {
    let terms = of.zip(shares).map(|(term, share)| term * *share);
    let sum = terms.reduce(|sum, term| sum + term);
    sum.expect("a channel has parts")
}

/// Move the running statistics on, as Burn's batch norm does.
fn move_on(norm: &BatchNorm, mean: &Tensor<1>, variance: &Tensor<1>) {
    let seen = [(&norm.running_mean, mean), (&norm.running_var, variance)];
    for (state, seen) in seen {
        let before = state.value_sync();
        let seen = move_to(seen.clone().detach(), &before.device());
        let after = before * (1.0 - norm.momentum) + seen * norm.momentum;
        state.update(after.detach());
    }
}
