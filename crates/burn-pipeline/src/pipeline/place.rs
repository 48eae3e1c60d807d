//! Layers on the devices of their stages, and what they keep elsewhere.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_pipeline_plan::Partition;

use crate::layer::{LayerMapper, Sequential};

/// A model on its devices.
pub(super) struct Placed<M> {
    pub(super) model: M,
    /// The devices, other than its stage's, on which each layer keeps parameters.
    pub(super) keeps: Vec<Vec<Device>>,
    /// Whether a parameter was made without autodiff.
    pub(super) plain: bool,
}

/// Put each layer of `model` on the device of its stage and initialise it there. What is elsewhere
/// then, its layer keeps there.
pub(super) fn place<M: Sequential>(
    model: M,
    partition: &Partition,
    devices: &[Device],
) -> Placed<M> {
    let mut place = Place {
        partition,
        devices,
        keeps: Vec::new(),
        plain: false,
    };
    let model = model.map_layers(&mut place);
    let Place { keeps, plain, .. } = place;
    Placed {
        model,
        keeps,
        plain,
    }
}

/// All devices of each stage, its own first.
pub(super) fn groups(
    devices: &[Device],
    partition: &Partition,
    keeps: &[Vec<Device>],
) -> Vec<Vec<Device>> {
    let mut groups: Vec<_> = devices.iter().map(|device| vec![device.clone()]).collect();
    for (layer, keeps) in keeps.iter().enumerate() {
        let group = &mut groups[partition.stage_of(layer) % devices.len()];
        for device in keeps {
            if !group.contains(device) {
                group.push(device.clone());
            }
        }
    }
    groups
}

/// What the layers of an initialised model keep elsewhere when it is one stage on `device`, and all
/// devices of that stage, its own first.
pub(crate) fn span<M: Sequential>(model: &M, device: &Device) -> (Vec<Vec<Device>>, Vec<Device>) {
    let leads = std::slice::from_ref(device);
    let Ok(partition) = Partition::even(model.num_layers(), 1) else {
        return (Vec::new(), leads.to_vec());
    };
    let keeps = place(model.clone(), &partition, leads).keeps;
    let group = groups(leads, &partition, &keeps).concat();
    (keeps, group)
}

struct Place<'a> {
    partition: &'a Partition,
    devices: &'a [Device],
    keeps: Vec<Vec<Device>>,
    plain: bool,
}

impl LayerMapper for Place<'_> {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        let part = self.partition.stage_of(self.keeps.len());
        let device = &self.devices[part % self.devices.len()];
        let layer = layer.fork(device);
        let mut initialise = Initialise {
            device,
            keeps: Vec::new(),
            plain: &mut self.plain,
        };
        layer.visit(&mut initialise);
        self.keeps.push(initialise.keeps);
        layer
    }
}

struct Initialise<'a> {
    device: &'a Device,
    keeps: Vec<Device>,
    plain: &'a mut bool,
}

impl Initialise<'_> {
    fn is_on(&mut self, device: Device) {
        if device != *self.device && !self.keeps.contains(&device) {
            self.keeps.push(device.without_autodiff());
        }
    }
}

impl ModuleVisitor for Initialise<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.base();
        *self.plain |= !tensor.is_autodiff();
        self.is_on(tensor.device());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.is_on(param.base().device());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.is_on(param.base().device());
    }
}
