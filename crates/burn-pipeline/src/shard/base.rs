use std::any::Any;
use std::sync::Arc;

use burn::tensor::kind::Autodiff;
use burn::tensor::{Device, Tensor};
use burn_pipeline_plan::Configuration;

use super::layer::{AnyLayer, Group};
use super::spread::{Destination, Spread, fetch};
use super::traffic::{BytesMoved, Traffic};
use crate::layer::{Layer, LayerMapper, Sequential};
use crate::random::enter_layer_of_step;
use crate::signal::{Signal, TensorVisitor, Uniform};

/// A model whose layers are each split over devices in their own way: made by [`shard`](crate::shard()).
///
/// It takes its input on any device, and sends its output on the first device of the group. Output,
/// loss, gradients and running statistics equal those of the whole model within rounding, for every
/// configuration. Splitting is written in Burn's own operations on the thread that calls `forward`,
/// so autodiff does the rest: one backward pass gives every gradient, and Burn's optimizers train it.
///
/// | layer | split by |
/// |---|---|
/// | any layer | sample: copies of its parameters, one summed gradient |
/// | `Linear`, of any rank or lifted | channel: its columns; height and width where its rank has them |
/// | `Embedding` | channel: its columns; height: the positions |
/// | `MultiHeadAttention` on its own input | channel: its heads |
/// | `Conv1d`, `Conv2d` | channel: its filters; height and width, with the halo that its windows need |
/// | `Conv3d`, transposed convolutions | channel, unless in groups |
/// | max and average pools | channel, height and width |
/// | adaptive pools, interpolation, average pools in ceil mode | channel |
/// | `BatchNorm` | channel, height and width |
/// | `LayerNorm`, `RmsNorm` | height and width |
/// | `Identity`, and activations without parameters | every axis |
/// | dropout, noise, `RRelu` | sample alone |
///
/// An image is `[samples, channels, height, width]`, a signal for `Conv1d` `[samples, channels,
/// width]`. Of a sequence or grid, for `Linear`, the norms over the last dimension, embedding and
/// attention, the last dimension is the channels and what is between is height and width. Activations
/// take over what the layer before them has.
///
/// - **Channels are really cut**: a piece of the parameters is on the device of the first part that
///   uses it, and nowhere else. It is a parameter of its own, with an id of its own; a layer whose
///   channels are not split keeps its parameters' paths and ids.
/// - **Batch norm** in training normalises by the statistics of all parts together, and moves the
///   running ones on once. A layer that holds a batch norm inside, among other things, must stay
///   whole: make the norm a layer of its own. Running statistics that go to other devices in
///   evaluation are not counted in [`bytes_moved`](Sharded::bytes_moved).
/// - **Random numbers**: within [`with_random_step`](crate::with_random_step),
///   [`Dropout`](crate::Dropout) and [`GaussianNoise`](crate::GaussianNoise) draw for each sample what
///   the whole model draws for it, and in a pipeline what one layer draws that holds the whole model.
///   Those of `burn::nn` draw other numbers than the whole model.
/// - **A lifted `Linear`** can be split by channel when its function makes each channel of its output
///   from that column of the weights, as one does that rearranges the input. What mixes channels (a
///   softmax, a norm, a maximum) must be a layer of its own. The first forward sees whether it is: it
///   puts other channels before and behind those of a part, and panics where theirs change. One sample
///   is enough, unless all that is made of it is zero: then the next one is asked.
/// - **A convolution in groups** by channel reads the channels of a part's groups; but all of them where
///   the inputs of a group are no multiple of its outputs.
/// - Parts are left out where there are fewer samples or rows than parts.
pub struct Sharded<S> {
    /// The model with hollow layers.
    skeleton: S,
    pub(super) layers: Vec<Box<dyn AnyLayer>>,
    pub(super) paths: Arc<Vec<Vec<String>>>,
    configurations: Arc<Vec<Configuration>>,
    pub(super) devices: Arc<Vec<Device>>,
    traffic: Arc<Traffic>,
}

impl<S> Sharded<S> {
    pub(super) fn new(
        skeleton: S,
        layers: Vec<(Vec<String>, Box<dyn AnyLayer>)>,
        configurations: Vec<Configuration>,
        devices: Vec<Device>,
    ) -> Self {
        let (paths, layers) = layers.into_iter().unzip();
        Self {
            skeleton,
            layers,
            paths: Arc::new(paths),
            configurations: Arc::new(configurations),
            devices: Arc::new(devices),
            traffic: Traffic::shared(),
        }
    }

    /// How each layer is split, in order.
    pub fn configurations(&self) -> &[Configuration] {
        &self.configurations
    }

    /// The devices of the group, in order.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// What this model and its clones have moved since it was made.
    pub fn bytes_moved(&self) -> BytesMoved {
        self.traffic.read()
    }

    pub(super) fn map_each(self, map: impl FnMut(Box<dyn AnyLayer>) -> Box<dyn AnyLayer>) -> Self {
        Self {
            layers: self.layers.into_iter().map(map).collect(),
            ..self
        }
    }
}

impl<S: Sequential + 'static> Sharded<S> {
    /// The model as it was, with the parameters put together again on the group's first device, under
    /// their own ids.
    pub fn into_inner(self) -> S {
        self.skeleton.map_layers(&mut Refill {
            layers: self.layers.into_iter(),
            device: &self.devices[0],
        })
    }

    pub(super) fn with_layers(&self, layers: Vec<Box<dyn AnyLayer>>) -> Self {
        Self {
            skeleton: self.skeleton.clone(),
            layers,
            paths: self.paths.clone(),
            configurations: self.configurations.clone(),
            devices: self.devices.clone(),
            traffic: self.traffic.clone(),
        }
    }
}

impl<S: Sequential + 'static> Layer for Sharded<S> {
    type Input = S::Input;
    type Output = S::Output;

    fn forward(&self, input: S::Input) -> S::Output {
        let group = Group {
            devices: &self.devices,
            traffic: &self.traffic,
        };
        let mut spread = Spread::whole(input.clone(), place_of(&input, &self.devices[0]));
        drop(input);
        let mut counter = &self.traffic.input;
        for (index, layer) in self.layers.iter().enumerate() {
            let _entered = enter_layer_of_step(index);
            spread = layer.forward(spread, &group, counter);
            counter = &self.traffic.signals;
        }

        let whole: Vec<_> = spread.dims.iter().map(|size| 0..*size).collect();
        let to = Destination {
            at: 0,
            device: &self.devices[0],
            counter: &self.traffic.output,
        };
        fetch(&spread.into_parts::<S::Output>(), &whole, &to)
    }
}

/// The group's first place, where all tensors are on its device.
fn place_of<S: Signal>(input: &S, first: &Device) -> Option<usize> {
    let mut there = Uniform(Everything {
        on: first,
        there: true,
    });
    input.visit(&mut there);
    there.0.there.then_some(0)
}

struct Everything<'a> {
    on: &'a Device,
    there: bool,
}

impl TensorVisitor for Everything<'_> {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>) {
        self.there &= tensor.device().without_autodiff() == *self.on;
    }
}

/// Puts whole layers in the place of hollow ones.
struct Refill<'a> {
    layers: std::vec::IntoIter<Box<dyn AnyLayer>>,
    device: &'a Device,
}

impl LayerMapper for Refill<'_> {
    fn map_layer<L: Layer>(&mut self, _hollow: L) -> L {
        let layer = self.layers.next().expect("a layer for each of the model");
        let whole: Box<dyn Any> = layer.into_whole(self.device);
        *whole.downcast().expect("a layer is what it was")
    }
}
