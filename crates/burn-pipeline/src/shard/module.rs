//! A sharded model as a Burn module.

use core::fmt;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;

use super::Sharded;
use super::erased::Remember;
use crate::layer::Sequential;

/// What is entered where the model's fields would be.
const FIELD: &str = "Sharded";

impl<S: Sequential + 'static> Module for Sharded<S> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        let layers = self.layers.iter();
        layers.fold(devices, |devices, layer| layer.collect_devices(devices))
    }

    /// New leaves for every parameter, on the devices where they are: a sharded model keeps its
    /// devices.
    fn fork(self, _device: &Device) -> Self {
        let devices = self.devices.clone();
        self.map_each(|layer| layer.fork_in_place(&devices))
    }

    /// A sharded model keeps its devices: this changes nothing.
    fn to_device(self, _device: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        self.map_each(|layer| layer.train())
    }

    fn valid(&self) -> Self {
        self.with_layers(self.layers.iter().map(|layer| layer.valid()).collect())
    }

    fn materialize(self) -> Self {
        self.map_each(|layer| layer.materialize())
    }

    /// Every parameter where the model has it; the pieces of one that is cut by channel are numbered
    /// behind the path of their layer.
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (path, layer) in self.paths.iter().zip(&self.layers) {
            path.iter()
                .for_each(|name| visitor.enter_module(name, FIELD));
            layer.visit(&mut Remember(visitor));
            for name in path.iter().rev() {
                visitor.exit_module(name, FIELD);
            }
        }
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        let paths = self.paths.clone();
        let mut paths = paths.iter();
        self.map_each(|layer| {
            let path = paths.next().expect("a path for each layer");
            path.iter()
                .for_each(|name| mapper.enter_module(name, FIELD));
            let layer = layer.map(&mut Remember(mapper));
            for name in path.iter().rev() {
                mapper.exit_module(name, FIELD);
            }
            layer
        })
    }
}

impl<S: Sequential + 'static> Clone for Sharded<S> {
    fn clone(&self) -> Self {
        self.with_layers(self.layers.iter().map(|layer| layer.duplicate()).collect())
    }
}

impl<S> fmt::Debug for Sharded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_map();
        for (path, configuration) in self.paths.iter().zip(self.configurations()) {
            all.entry(&path.join("."), &configuration.to_string());
        }
        all.finish()
    }
}

impl<S> ModuleDisplayDefault for Sharded<S> {
    fn content(&self, content: Content) -> Option<Content> {
        let layers = self.paths.iter().zip(self.configurations());
        let all = layers.fold(content, |content, (path, configuration)| {
            content.add_debug_attribute(&path.join("."), &configuration.to_string())
        });
        all.optional()
    }
}

impl<S: Sequential + 'static> ModuleDisplay for Sharded<S> {}
