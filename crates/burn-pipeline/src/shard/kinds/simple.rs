use burn::module::ParamId;
use burn::tensor::Device;
use burn_pipeline_plan::{Axis, Reads, Shape};

use super::base::{Channels, Kind, Parts, channel_range};
use super::columns::{Columns, mixes_channels};
use crate::layer::Layer;
use crate::shard::layout::Layout;
use crate::shard::parameters;

/// A layer whose part is the layer itself with a piece of its parameters, on a piece of its input.
pub(crate) struct Simple {
    pub(crate) splits: Vec<Axis>,
    pub(crate) input: Layout,
    /// Nothing where nobody knows.
    pub(crate) output: Option<Layout>,
    pub(crate) reads: Reads,
    pub(crate) cut: Option<CutChannels>,
    /// What is not known to make each channel from the parameters of that one.
    pub(crate) columns: Option<Columns>,
}

/// The channels of a layer whose parameters are cut along them.
pub(crate) struct CutChannels {
    pub(crate) num: usize,
    /// The dimension of each parameter, in visiting order, that is its channels.
    pub(crate) dims: Vec<usize>,
}

impl<L: Layer> Kind<L> for Simple {
    fn splits(&self) -> Vec<Axis> {
        self.splits.clone()
    }

    fn channels(&self) -> Option<Channels> {
        self.cut.as_ref().map(|cut| Channels::plain(cut.num))
    }

    fn mixes_channels(&self, layer: &L, input: &L::Input) -> bool {
        match (&self.columns, &self.cut) {
            (Some(_), Some(cut)) => mixes_channels(cut, layer, input) == Some(true),
            _ => false,
        }
    }

    fn input_layout(&self) -> Layout {
        self.input.clone()
    }

    fn output_layout(&self) -> Option<Layout> {
        self.output.clone()
    }

    fn output_shape(&self, _layer: &L, input: &Shape) -> Shape {
        let mut shape = *input;
        if let Some(cut) = &self.cut {
            shape.0[Axis::Channel.index()] = cut.num;
        }
        shape
    }

    fn reads(&self, _layer: &L, _input: &Shape) -> Reads {
        self.reads
    }

    fn piece(&self, layer: &L, degree: usize, index: usize, device: &Device) -> L {
        let cut = self.cut.as_ref().expect("only channels are cut");
        let channels = channel_range(cut.num, degree, index);
        parameters::cut(layer, &cut.dims, &channels, device)
    }

    fn forward(&self, parts: Parts<L>) -> Vec<L::Output> {
        if let (Some(columns), Some(cut), Some((part, input))) =
            (&self.columns, &self.cut, parts.parts.first())
            && part.region.range(Axis::Channel).len() < cut.num
        {
            columns.ask(cut, &part.layer, input);
        }
        parts.each(|part, input| part.layer.forward(input))
    }

    fn join(&self, pieces: Vec<L>, ids: &[ParamId], device: &Device) -> L {
        let dims = self.cut.as_ref().map_or(&[][..], |cut| &cut.dims);
        parameters::join(pieces, dims, ids, device)
    }
}
