//! A pipeline as the Burn module that it wraps.

use core::fmt;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;
use burn_pipeline_plan::Partition;

use super::PipelineModule;
use super::tied::{map_once, visit_once};
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

    /// A parameter that several layers hold is visited once, where the model holds it first.
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visit_once(self.model(), visitor);
    }

    /// A parameter that several layers hold is mapped once; its other holders get the result.
    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        self.map_model(|model| map_once(model, mapper))
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
