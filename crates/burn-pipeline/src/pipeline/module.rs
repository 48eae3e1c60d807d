//! A pipeline as the Burn module that it wraps.

use core::fmt;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;
use burn_pipeline_plan::Partition;

use super::PipelineModule;
use crate::layer::{LayerMapper, Sequential};

impl<M: Sequential + 'static> Module for PipelineModule<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.model().collect_devices(devices)
    }

    /// New leaves for every parameter, on the devices where they are: a pipeline keeps its
    /// placement.
    fn fork(self, _device: &Device) -> Self {
        let devices = self.stage_devices();
        let partition = self.partition().clone();
        self.map_model(|model| {
            model.map_layers(&mut ForkInPlace {
                partition: &partition,
                devices: &devices,
                next: 0,
            })
        })
    }

    /// A pipeline keeps its placement: this changes nothing.
    fn to_device(self, _device: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        self.map_model(Module::train)
    }

    fn valid(&self) -> Self {
        self.with_model(self.model().valid())
    }

    fn materialize(self) -> Self {
        self.map_model(Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.model().visit(visitor);
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        self.map_model(|model| model.map(mapper))
    }
}

struct ForkInPlace<'a> {
    partition: &'a Partition,
    devices: &'a [Device],
    next: usize,
}

impl LayerMapper for ForkInPlace<'_> {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        let part = self.partition.stage_of(self.next);
        self.next += 1;
        layer.fork(&self.devices[part % self.devices.len()])
    }
}

impl<M: fmt::Debug> fmt::Debug for PipelineModule<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineModule")
            .field("partition", self.runtime().partition())
            .field("config", self.runtime().config())
            .field("model", self.model())
            .finish()
    }
}

impl<M: Sequential + ModuleDisplay + 'static> ModuleDisplayDefault for PipelineModule<M> {
    fn content(&self, content: Content) -> Option<Content> {
        self.model().content(content)
    }
}

impl<M: Sequential + ModuleDisplay + 'static> ModuleDisplay for PipelineModule<M> {}
