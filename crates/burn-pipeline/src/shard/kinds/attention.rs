//! Self-attention, split by heads.

use std::collections::BTreeMap;

use burn::module::ParamId;
use burn::nn::Linear;
use burn::nn::attention::MultiHeadAttention;
use burn::tensor::activation::{quiet_softmax, softmax};
use burn::tensor::{Device, Tensor};
use burn_pipeline_plan::{Axis, AxisReads, Reads, Shape};

use super::base::{Channels, Kind, Part, Parts, channel_range};
use crate::random::PartDraws;
use crate::shard::layout::Layout;
use crate::shard::parameters::{self, Params};
use crate::shard::spread::{Destination, SpreadPart, fetch};

/// [`MultiHeadAttention`] of a sequence on itself.
///
/// A piece has the columns of the query, key and value projections that make its heads, and the
/// columns of the output projection that make its channels. Each part attends with its heads; then
/// the parts give each other what their heads have found, and project all of it to their channels.
pub(super) struct Heads {
    num_heads: usize,
    /// The number of parameters of each projection.
    num_params: [usize; 4],
    cut: bool,
}

impl Heads {
    pub(super) fn of(layer: &dyn std::any::Any) -> Option<Self> {
        let attention: &MultiHeadAttention = layer.downcast_ref()?;
        let projections = projections(attention);
        let num_params = projections.map(|linear| Params::of(linear).ids.len());
        let plain = projections.map(|linear| 1 + usize::from(linear.bias.is_some()));
        Some(Self {
            num_heads: attention.n_heads,
            num_params,
            cut: num_params == plain,
        })
    }
}

fn projections(attention: &MultiHeadAttention) -> [&Linear; 4] {
    let it = attention;
    [&it.query, &it.key, &it.value, &it.output]
}

impl Kind<MultiHeadAttention> for Heads {
    fn splits(&self) -> Vec<Axis> {
        match self.cut {
            true => vec![Axis::Sample, Axis::Channel],
            false => vec![Axis::Sample],
        }
    }

    fn channels(&self) -> Option<Channels> {
        Some(Channels {
            num: self.num_heads,
            name: "heads",
            equal: false,
        })
    }

    fn input_layout(&self) -> Layout {
        Layout::channels_last(3)
    }

    fn output_layout(&self) -> Option<Layout> {
        Some(Layout::channels_last(3))
    }

    fn output_shape(&self, _layer: &MultiHeadAttention, input: &Shape) -> Shape {
        *input
    }

    fn reads(&self, _layer: &MultiHeadAttention, _input: &Shape) -> Reads {
        Reads {
            channel: AxisReads::All,
            height: AxisReads::All,
            width: AxisReads::Same,
        }
    }

    fn piece(
        &self,
        layer: &MultiHeadAttention,
        degree: usize,
        index: usize,
        device: &Device,
    ) -> MultiHeadAttention {
        let heads = channel_range(layer.n_heads, degree, index);
        let of_heads = heads.start * layer.d_k..heads.end * layer.d_k;
        let of_output = channel_range(layer.d_model, degree, index);
        let cut = |linear, columns| parameters::cut(linear, &[1, 0], columns, device);
        MultiHeadAttention {
            query: cut(&layer.query, &of_heads),
            key: cut(&layer.key, &of_heads),
            value: cut(&layer.value, &of_heads),
            output: cut(&layer.output, &of_output),
            n_heads: heads.len(),
            ..layer.clone()
        }
    }

    fn join(
        &self,
        pieces: Vec<MultiHeadAttention>,
        ids: &[ParamId],
        device: &Device,
    ) -> MultiHeadAttention {
        let first = pieces[0].clone();
        let mut ids = ids.iter().copied();
        let mut whole = (0..4).map(|projection| {
            let linears = pieces.iter().map(|piece| projections(piece)[projection]);
            let linears = linears.cloned().collect();
            let ids: Vec<_> = ids.by_ref().take(self.num_params[projection]).collect();
            parameters::join(linears, &[1, 0], &ids, device)
        });
        let mut next = || whole.next().expect("four projections");
        MultiHeadAttention {
            query: next(),
            key: next(),
            value: next(),
            output: next(),
            n_heads: self.num_heads,
            ..first
        }
    }

    fn forward(&self, parts: Parts<MultiHeadAttention>) -> Vec<Tensor<3>> {
        let num_samples = parts.input.size(Axis::Sample);
        let mut draws = PartDraws::new();
        let (mut found, mut members) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
        for (part, input) in parts.parts {
            let samples = part.region.range(Axis::Sample);
            let context = draws.part(samples, num_samples, || attended(&part.layer, input));
            let beside = found.entry(part.coordinates[0]).or_default();
            let start = beside
                .last()
                .map_or(0, |before: &SpreadPart<_>| before.ranges[2].end);
            let [num_samples, length, width] = context.dims();
            beside.push(SpreadPart {
                at: Some(part.at),
                ranges: vec![0..num_samples, 0..length, start..start + width],
                signal: context,
            });
            members.push(part);
        }
        let project = |part: Part<MultiHeadAttention>| {
            let beside = &found[&part.coordinates[0]];
            let all = beside.last().expect("at least itself");
            let [samples, length, heads] = [0, 1, 2].map(|dim| 0..all.ranges[dim].end);
            let to = Destination {
                at: part.at,
                device: &parts.devices[part.at],
                counter: parts.within,
            };
            let context = fetch(beside, &[samples, length, heads], &to);
            part.layer.output.forward(context)
        };
        members.into_iter().map(project).collect()
    }
}

/// What the heads of a piece find, beside each other: `[samples, length, heads * d_k]`.
fn attended(layer: &MultiHeadAttention, input: Tensor<3>) -> Tensor<3> {
    let [num_samples, length, _] = input.dims();
    let (num_heads, d_k) = (layer.n_heads, layer.d_k);
    let projected = |linear: &Linear| {
        linear
            .forward(input.clone())
            .reshape([num_samples, length, num_heads, d_k])
            .swap_dims(1, 2)
    };
    let (query, key) = (projected(&layer.query), projected(&layer.key));
    let scores = query.matmul(key.transpose()) / (d_k as f32).sqrt();
    let weights = match layer.quiet_softmax {
        true => quiet_softmax(scores, 3),
        false => softmax(scores, 3),
    };
    let context = layer
        .dropout
        .forward(weights)
        .matmul(projected(&layer.value));
    context
        .swap_dims(1, 2)
        .reshape([num_samples, length, num_heads * d_k])
}
