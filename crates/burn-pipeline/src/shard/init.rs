//! From a model and a configuration per layer to a sharded model.

use std::collections::HashMap;

use burn::module::{ModuleMapper, Param, ParamId};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_pipeline_plan::{Axis, Configuration};

use super::Sharded;
use super::error::ShardError;
use super::kinds::{Kind, kind_of};
use super::layer::{AnyLayer, ShardedLayer, num_pieces};
use super::layout::Layout;
use super::parameters::{Params, initialise};
use crate::layer::{Layer, LayerMapper, LayerVisitor, Sequential};

/// Split each layer of `model` over `devices` as its configuration says: layer-wise parallelism (Jia,
/// Lin, Qi and Aiken, *Exploring Hidden Dimensions in Parallelizing Convolutional Neural Networks*,
/// ICML 2018, section 4).
///
/// `configurations` has one for each layer, in order; part `i` of a layer is on `devices[i]`. A
/// device may be named more than once. What each kind of layer can be split along is in the
/// documentation of [`Sharded`]. Parameters that are not initialised yet are initialised here, in
/// order. A model that is to train is made on devices with autodiff, as without splitting.
///
/// # Errors
///
/// [`ShardError`] says which layer cannot be split as it should be, and what would do.
///
/// ```
/// use burn::nn::{Linear, LinearConfig, Relu};
/// use burn::tensor::{Device, Tensor};
/// use burn_pipeline::{Configuration, Layer, Ranked, Sequential, ranked, shard};
///
/// let device = Device::default();
/// let model: (Ranked<Linear, 2>, Ranked<Relu, 2>, Ranked<Linear, 2>) = (
///     ranked(LinearConfig::new(8, 6).init(&device)),
///     ranked(Relu::new()),
///     ranked(LinearConfig::new(6, 4).init(&device)),
/// );
/// let input = Tensor::<2>::ones([5, 8], &device);
/// let expected = model.forward_layers(input.clone());
///
/// let by_channel = Configuration::by_channel(2);
/// let by_sample = Configuration::by_sample(2);
/// let configurations = [by_channel, by_channel, by_sample];
/// let sharded = shard(model, &configurations, &[device.clone(), device])?;
/// let output = sharded.forward(input);
/// output.into_data().assert_approx_eq::<f32>(&expected.into_data(), Default::default());
/// // The second linear layer needs all channels of its samples: it has half of those already.
/// assert_eq!(sharded.bytes_moved().signals.forward, 5 * 6 / 2 * 4);
/// # Ok::<(), burn_pipeline::ShardError>(())
/// ```
pub fn shard<S: Sequential + 'static>(
    model: S,
    configurations: &[Configuration],
    devices: &[Device],
) -> Result<Sharded<S>, ShardError> {
    let num_layers = model.num_layers();
    if num_layers != configurations.len() {
        return Err(ShardError::Configurations {
            num_layers,
            num_configurations: configurations.len(),
        });
    }
    let mut check = Check {
        configurations,
        num_devices: devices.len(),
        path: Vec::new(),
        before: None,
        paths: Vec::new(),
        holders: HashMap::new(),
        error: None,
    };
    model.visit_layers(&mut check);
    if let Some(error) = check.error {
        return Err(error);
    }

    let devices: Vec<_> = devices
        .iter()
        .map(|it| it.clone().without_autodiff())
        .collect();
    let mut split = Split {
        configurations,
        devices: &devices,
        before: None,
        layers: Vec::new(),
    };
    let skeleton = model.map_layers(&mut split);
    let layers = split.layers;
    Ok(Sharded::new(
        skeleton,
        check.paths.into_iter().zip(layers).collect(),
        configurations.to_vec(),
        devices,
    ))
}

struct Check<'a> {
    configurations: &'a [Configuration],
    num_devices: usize,
    path: Vec<String>,
    before: Option<Layout>,
    paths: Vec<Vec<String>>,
    holders: HashMap<ParamId, usize>,
    error: Option<ShardError>,
}

impl LayerVisitor for Check<'_> {
    fn enter(&mut self, name: &str) {
        self.path.push(name.to_string());
    }

    fn visit_layer<L: Layer>(&mut self, layer: &L) {
        let kind = kind_of(layer, self.before.as_ref());
        self.before = kind.output_layout();
        if self.error.is_none() {
            self.error = self.fault(layer, &*kind).err();
        }
        self.paths.push(self.path.clone());
    }

    fn exit(&mut self) {
        self.path.pop();
    }
}

impl Check<'_> {
    fn fault<L: Layer>(&mut self, module: &L, kind: &dyn Kind<L>) -> Result<(), ShardError> {
        let (layer, path) = (self.paths.len(), self.path.join("."));
        let configuration = self.configurations[layer];
        let num_parts = configuration.num_parts();
        if num_parts == 0 {
            return Err(ShardError::NoParts {
                layer,
                path,
                configuration,
            });
        }
        if num_parts > self.num_devices {
            return Err(ShardError::Devices {
                layer,
                path,
                configuration,
                num_parts,
                num_devices: self.num_devices,
            });
        }

        let legal = kind.splits();
        for axis in Axis::ALL {
            let degree = configuration.degree(axis);
            if degree > 1 && !legal.contains(&axis) {
                return Err(ShardError::Axis {
                    layer,
                    path,
                    axis,
                    degree,
                    legal,
                });
            }
        }
        let degree = configuration.channel;
        if let Some(channels) = kind.channels()
            && (degree > channels.num || channels.equal && !channels.num.is_multiple_of(degree))
        {
            return Err(ShardError::Channels {
                layer,
                path,
                degree,
                num: channels.num,
                name: channels.name,
                equal: channels.equal,
            });
        }

        for parameter in Params::of(module).ids {
            let first = *self.holders.entry(parameter).or_insert(layer);
            if first != layer {
                return Err(ShardError::Tied {
                    first,
                    layer,
                    path,
                    parameter,
                });
            }
        }
        Ok(())
    }
}

/// Takes the layers out of a model, and leaves hollow ones.
struct Split<'a> {
    configurations: &'a [Configuration],
    devices: &'a [Device],
    before: Option<Layout>,
    layers: Vec<Box<dyn AnyLayer>>,
}

impl LayerMapper for Split<'_> {
    fn map_layer<L: Layer>(&mut self, layer: L) -> L {
        let kind = kind_of(&layer, self.before.as_ref());
        self.before = kind.output_layout();
        let configuration = self.configurations[self.layers.len()];
        let layer = match num_pieces(&*kind, &configuration) {
            // Initialised where it will be.
            1 => layer.fork(&self.devices[0]),
            _ => layer,
        };
        initialise(&layer);
        // Running states are shared by clones: `valid` makes new ones.
        let hollow = layer.valid().map(&mut Hollow);
        let layer = ShardedLayer::new(layer, kind, configuration, self.devices);
        self.layers.push(Box::new(layer));
        hollow
    }
}

/// Leaves one number of every parameter.
struct Hollow;

impl ModuleMapper for Hollow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        Param::initialized(param.id, Tensor::zeros([1; D], &param.device()))
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        Param::initialized(param.id, Tensor::zeros([1; D], &param.device()))
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let no = Tensor::<D, Int>::zeros([1; D], &param.device()).bool();
        Param::initialized(param.id, no)
    }
}
