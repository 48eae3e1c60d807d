use std::ops::Range;

use burn::module::ParamId;
use burn::tensor::Device;
use burn_pipeline_plan::{Axis, Configuration, Reads, Region, Shape};

use crate::layer::Layer;
use crate::random::PartDraws;
use crate::shard::layout::Layout;
use crate::shard::parameters::ParameterBytes;
use crate::shard::traffic::Counter;

/// What of a kind of layer is needed to run it in parts.
pub(crate) trait Kind<L: Layer>: Send + Sync {
    /// The axes that it can be split along.
    fn splits(&self) -> Vec<Axis>;

    /// What the channels are cut into; nothing where its parameters have none.
    fn channels(&self) -> Option<Channels> {
        None
    }

    /// Whether `input` shows that the channels cannot be cut, though the parameters could be.
    fn mixes_channels(&self, _layer: &L, _input: &L::Input) -> bool {
        false
    }

    /// What the dimensions of its input are.
    fn input_layout(&self) -> Layout;

    /// What the dimensions of its output are, where that is known.
    fn output_layout(&self) -> Option<Layout>;

    /// The sizes of the whole output, as far as it can be split along them.
    fn output_shape(&self, any_piece: &L, input: &Shape) -> Shape;

    /// What of its input a part of its output is made of.
    fn reads(&self, any_piece: &L, input: &Shape) -> Reads;

    /// The `index`th of `degree` pieces of its parameters, more than one, on a device. Called where
    /// there are [`channels`](Self::channels).
    fn piece(&self, layer: &L, degree: usize, index: usize, device: &Device) -> L;

    /// The layer that the pieces make up; `ids` as of the whole, in visiting order.
    fn join(&self, pieces: Vec<L>, ids: &[ParamId], device: &Device) -> L;

    /// A copy for another device, with a history.
    fn replica(&self, piece: &L, device: &Device) -> L {
        piece.clone().to_device(device)
    }

    /// The bytes of parameters that a replica takes.
    fn parameter_bytes(&self, layer: &L) -> ParameterBytes {
        ParameterBytes::of(layer)
    }

    /// Run all parts.
    fn forward(&self, parts: Parts<L>) -> Vec<L::Output> {
        parts.each(|part, input| part.layer.forward(input))
    }
}

/// What a layer's channels are cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channels {
    /// How many there are.
    pub(crate) num: usize,
    /// What they are, for messages.
    pub(crate) name: &'static str,
    /// Whether every piece must have the same number of them.
    pub(crate) equal: bool,
}

impl Channels {
    /// Channels that can be cut anywhere.
    pub(crate) fn plain(num: usize) -> Self {
        Self {
            num,
            name: "channels",
            equal: false,
        }
    }
}

/// The `index`th of `degree` ranges of `num` channels.
pub(crate) fn channel_range(num: usize, degree: usize, index: usize) -> Range<usize> {
    let whole = Shape([1, num, 1, 1]);
    let region = Configuration::by_channel(degree).part(index, &whole);
    region.range(Axis::Channel).clone()
}

/// A part of a layer, ready to run.
pub(crate) struct Part<L: Layer> {
    /// Its place in the group.
    pub(crate) at: usize,
    /// The piece of the parameters that it uses, on its device.
    pub(crate) layer: L,
    /// Where it is along the four axes.
    pub(crate) coordinates: [usize; 4],
    /// What of the output it makes.
    pub(crate) region: Region,
    /// What of the input it has.
    pub(crate) required: Region,
}

/// The parts of a layer, with their inputs.
pub(crate) struct Parts<'a, L: Layer> {
    pub(crate) parts: Vec<(Part<L>, L::Input)>,
    pub(crate) input: Shape,
    pub(crate) devices: &'a [Device],
    /// Counts what the parts tell each other.
    pub(crate) within: &'a Counter,
}

impl<L: Layer> Parts<'_, L> {
    /// Run the parts one after the other. Each draws the random numbers that the whole layer draws
    /// for its samples.
    pub(crate) fn each<O>(self, mut run: impl FnMut(Part<L>, L::Input) -> O) -> Vec<O> {
        let num_samples = self.input.size(Axis::Sample);
        let mut draws = PartDraws::new();
        let parts = self.parts.into_iter().map(|(part, input)| {
            let samples = part.required.range(Axis::Sample).clone();
            draws.part(&samples, num_samples, || run(part, input))
        });
        parts.collect()
    }
}
