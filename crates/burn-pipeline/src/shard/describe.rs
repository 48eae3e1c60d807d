//! What a planner has to know of a model's layers.

use burn::tensor::kind::Autodiff;
use burn::tensor::{Device, Tensor};
use burn_pipeline_plan::{Axis, Reads, Shape};

use super::kinds::kind_of;
use super::layout::Layout;
use super::spread::dims_of;
use crate::layer::{Layer, LayerVisitor, Sequential};
use crate::signal::{AnySignal, Signal, TensorVisitor, Uniform, num_bytes};

/// A layer as the search for its configuration sees it: see [`layer_kinds`].
#[derive(Debug, Clone, PartialEq)]
pub struct LayerDescription {
    /// The path of its field, such as `blocks.0.linear`.
    pub name: String,
    /// The sizes of its output. Dimensions along which it can never be split count as channels.
    pub shape: Shape,
    /// The sizes of its input as the layer sees them, for [`reads`](Self::reads). They differ from
    /// the output of the layer before where a layer rearranges it.
    pub input: Shape,
    /// What of its input a part of its output is made of.
    pub reads: Reads,
    /// The bytes of its parameters that a copy of it needs.
    pub parameter_bytes: u64,
    /// Of those the bytes that train: a copy sends as many back. A model made without autodiff is taken
    /// to train when it is split.
    pub trained_bytes: u64,
    /// The bytes of an element of its output, of a signal of several tensors those of a sample.
    pub bytes_per_element: u64,
    /// Whether its output gets a gradient: it is made of floats, and something trains in this layer or
    /// before it.
    pub needs_gradient: bool,
    /// The axes that it can be split along. The channels of a lifted `Linear` are not among them when
    /// the sample shows that its function mixes them.
    pub splits: Vec<Axis>,
    /// The greatest degree by channel that its parameters allow: channels, heads or groups; nothing
    /// where it has no parameters to cut.
    pub max_channel_degree: Option<usize>,
    /// Whether the degree by channel must divide that.
    pub channels_divide: bool,
}

/// Describe each layer of `model`, which `sample` passes through to tell the sizes. Without autodiff
/// nothing draws random numbers, and no running statistics move.
pub fn layer_kinds<S: Sequential>(model: &S, sample: S::Input) -> Vec<LayerDescription> {
    let mut describe = Describe {
        path: Vec::new(),
        before: None,
        needs_gradient: false,
        signal: Some(AnySignal::new(sample)),
        layers: Vec::new(),
    };
    model.visit_layers(&mut describe);
    describe.layers
}

struct Describe {
    path: Vec<String>,
    before: Option<Layout>,
    needs_gradient: bool,
    signal: Option<AnySignal>,
    layers: Vec<LayerDescription>,
}

impl LayerVisitor for Describe {
    fn enter(&mut self, name: &str) {
        self.path.push(name.to_string());
    }

    fn visit_layer<L: Layer>(&mut self, layer: &L) {
        let kind = kind_of(layer, self.before.as_ref());
        self.before = kind.output_layout();
        let signal = self.signal.take().expect("what the layer before has sent");
        let input: L::Input = signal.into_signal();
        let input_dims = dims_of(&input);
        let mut splits = kind.splits();
        if splits.contains(&Axis::Channel) && kind.mixes_channels(layer, &input) {
            splits.retain(|axis| *axis != Axis::Channel);
        }
        let output = layer.forward(input);

        let channels = kind.channels().filter(|_| splits.contains(&Axis::Channel));
        let input_shape = kind.input_layout().shape(&input_dims);
        let layout = kind.output_layout().unwrap_or_else(Layout::samples);
        let shape = layout.full_shape(&dims_of(&output));
        let bytes = kind.parameter_bytes(&in_training(layer));
        self.needs_gradient = has_floats(&output) && (self.needs_gradient || bytes.trained > 0);
        self.layers.push(LayerDescription {
            name: self.path.join("."),
            shape,
            input: kind.input_layout().full_shape(&input_dims),
            reads: kind.reads(layer, &input_shape),
            parameter_bytes: bytes.all,
            trained_bytes: bytes.trained,
            bytes_per_element: bytes_per_element(&output, &shape),
            needs_gradient: self.needs_gradient,
            splits,
            max_channel_degree: channels.map(|channels| channels.num),
            channels_divide: channels.is_some_and(|channels| channels.equal),
        });
        self.signal = Some(AnySignal::new(output));
    }

    fn exit(&mut self) {
        self.path.pop();
    }
}

/// The layer, turned to training where it was made without autodiff.
fn in_training<L: Layer>(layer: &L) -> L {
    match layer.devices().iter().any(Device::is_autodiff) {
        true => layer.clone(),
        false => layer.clone().train(),
    }
}

/// The bytes of an element of a signal of this shape.
pub(super) fn bytes_per_element<S: Signal>(signal: &S, shape: &Shape) -> u64 {
    num_bytes(signal) / shape.num_elements().max(1)
}

fn has_floats<S: Signal>(signal: &S) -> bool {
    let mut floats = Uniform(Floats(false));
    signal.visit(&mut floats);
    floats.0.0
}

struct Floats(bool);

impl TensorVisitor for Floats {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>) {
        self.0 |= tensor.dtype().is_float();
    }
}
