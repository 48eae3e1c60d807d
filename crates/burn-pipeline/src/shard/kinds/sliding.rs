//! Convolutions and pools, along every axis.

use burn::module::ParamId;
use burn::tensor::{Device, Tensor};
use burn_pipeline_plan::{Axis, AxisReads, Reads, Shape};

use super::base::{Channels, Kind, Part, Parts, channel_range};
use super::window::Padding;
use super::windows::{Grouped, Windows};
use crate::shard::layout::Layout;
use crate::shard::parameters;

/// Convolutions and pools over signals (`R` is 3) and images (`R` is 4).
///
/// A part along the height or the width has the rows that its windows cover, those of its
/// neighbours' that they share included: the halo. Only what of its windows lies in the padding of
/// the whole input is padded.
pub(super) struct Sliding<const R: usize> {
    splits: Vec<Axis>,
    /// The channels of the whole layer's parameters.
    channels: Option<Grouped>,
}

impl<const R: usize> Sliding<R> {
    /// `cut` says whether the channels can be cut.
    pub(super) fn convolution(layer: &impl Windows<R>, cut: bool) -> Self {
        let wanted = |axis: &Axis| *axis != Axis::Channel || cut;
        Self {
            splits: Self::axes().filter(wanted).collect(),
            channels: layer.channels(),
        }
    }

    pub(super) fn pooling() -> Self {
        Self {
            splits: Self::axes().collect(),
            channels: None,
        }
    }

    fn axes() -> impl Iterator<Item = Axis> {
        let layout = Layout::images(R);
        let there = move |axis: &Axis| layout.dimension(*axis).is_some();
        Axis::ALL.into_iter().filter(there)
    }
}

impl<const R: usize, L: Windows<R>> Kind<L> for Sliding<R> {
    fn splits(&self) -> Vec<Axis> {
        self.splits.clone()
    }

    fn channels(&self) -> Option<Channels> {
        let grouped = self.channels?;
        Some(match grouped.groups == 1 || grouped.is_depthwise() {
            true => Channels::plain(grouped.outputs),
            false => Channels {
                num: grouped.groups,
                name: "groups",
                equal: true,
            },
        })
    }

    fn input_layout(&self) -> Layout {
        Layout::images(R)
    }

    fn output_layout(&self) -> Option<Layout> {
        Some(Layout::images(R))
    }

    fn output_shape(&self, layer: &L, input: &Shape) -> Shape {
        let mut shape = *input;
        if let Some(grouped) = self.channels {
            shape.0[1] = grouped.outputs;
        }
        let sizes = &mut shape.0[6 - R..];
        for (size, window) in sizes.iter_mut().zip(layer.windows(&input.0[6 - R..])) {
            *size = window.num_windows(*size);
        }
        shape
    }

    fn reads(&self, layer: &L, input: &Shape) -> Reads {
        let channel = match self.channels {
            Some(grouped) => grouped.reads(),
            None => AxisReads::Same,
        };
        let mut windows = layer.windows(&input.0[6 - R..]).into_iter().rev();
        let mut next = || {
            let window = windows.next();
            window.map_or(AxisReads::Same, |window| window.reads())
        };
        Reads {
            channel,
            width: next(),
            height: next(),
        }
    }

    fn piece(&self, layer: &L, degree: usize, index: usize, device: &Device) -> L {
        let grouped = self.channels.expect("only channels are cut");
        let channels = channel_range(grouped.outputs, degree, index);
        let groups = grouped.groups * channels.len() / grouped.outputs;
        let piece = parameters::cut(layer, &[0, 0], &channels, device);
        piece.with_groups(groups.max(1))
    }

    fn join(&self, pieces: Vec<L>, ids: &[ParamId], device: &Device) -> L {
        let groups = self.channels.map_or(1, |grouped| grouped.groups);
        parameters::join(pieces, &[0, 0], ids, device).with_groups(groups)
    }

    fn forward(&self, parts: Parts<L>) -> Vec<Tensor<R>> {
        let sizes = parts.input.0;
        parts.each(|part, input| {
            let input = of_its_groups(&part, input);
            let (input, padding) = padded(&part, &sizes[6 - R..], input);
            part.layer.run(input, &padding)
        })
    }
}

/// The input channels of the groups that a part has. Other parts of the input do not concern it.
fn of_its_groups<const R: usize, L: Windows<R>>(part: &Part<L>, input: Tensor<R>) -> Tensor<R> {
    let Some(grouped) = part.layer.channels() else {
        return input;
    };
    let num_inputs = grouped.groups * grouped.inputs_of_group;
    if input.dims()[1] == num_inputs {
        return input;
    }
    let outputs_of_group = grouped.outputs / grouped.groups;
    let first_group = part.region.range(Axis::Channel).start / outputs_of_group;
    input.narrow(1, first_group * grouped.inputs_of_group, num_inputs)
}

/// The input of a part with the padding that is still to be put around it.
fn padded<const R: usize, L: Windows<R>>(
    part: &Part<L>,
    sizes: &[usize],
    input: Tensor<R>,
) -> (Tensor<R>, Vec<(usize, usize)>) {
    let (mut dims, mut in_padding) = (input.dims(), false);
    let mut around = Vec::new();
    for (i, window) in part.layer.windows(sizes).into_iter().enumerate() {
        around.push(
            match window.padding_of(&part.region.0[6 - R + i], sizes[i]) {
                Padding::Around(begin, end) => (begin, end),
                Padding::Only(size) => {
                    dims[2 + i] = size;
                    in_padding = true;
                    (0, 0)
                }
            },
        );
    }
    let input = match in_padding {
        true => Tensor::full(dims, L::PADDING, (&input.device(), input.dtype())),
        false => input,
    };
    (input, around)
}
