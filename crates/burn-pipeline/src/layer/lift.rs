use core::fmt::Debug;

use burn::module::{
    Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor,
};
use burn::tensor::Device;

use super::Layer;
use crate::signal::Signal;

/// A module and the function that runs it, as a [`Layer`]: made by [`lift`].
///
/// It is the module in every other respect: the same parameter paths, ids and records.
#[derive(Clone)]
pub struct Lift<M, I, O> {
    module: M,
    forward: fn(&M, I) -> O,
}

/// Make a [`Layer`] of any module by naming its forward.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Device;
/// use burn_pipeline::lift;
///
/// let device = Device::default();
/// let layer = lift(LinearConfig::new(8, 8).init(&device), Linear::forward::<3>);
/// ```
///
/// A closure that captures nothing serves as well, for a forward with more arguments than one.
pub fn lift<M: Module, I: Signal, O: Signal>(module: M, forward: fn(&M, I) -> O) -> Lift<M, I, O> {
    Lift { module, forward }
}

impl<M, I, O> Lift<M, I, O> {
    /// The module itself.
    pub fn module(&self) -> &M {
        &self.module
    }

    /// Take the module out again.
    pub fn into_inner(self) -> M {
        self.module
    }
}

impl<M: Module + 'static, I: Signal, O: Signal> Layer for Lift<M, I, O> {
    type Input = I;
    type Output = O;

    fn forward(&self, input: I) -> O {
        (self.forward)(&self.module, input)
    }
}

impl<M: Debug, I, O> Debug for Lift<M, I, O> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.module.fmt(f)
    }
}

impl<M: Module, I: Signal, O: Signal> Module for Lift<M, I, O> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.module.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        lift(self.module.fork(device), self.forward)
    }

    fn to_device(self, device: &Device) -> Self {
        lift(self.module.to_device(device), self.forward)
    }

    fn train(self) -> Self {
        lift(self.module.train(), self.forward)
    }

    fn valid(&self) -> Self {
        lift(self.module.valid(), self.forward)
    }

    fn materialize(self) -> Self {
        lift(self.module.materialize(), self.forward)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.module.visit(visitor);
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        lift(self.module.map(mapper), self.forward)
    }
}

impl<M: ModuleDisplay, I, O> ModuleDisplayDefault for Lift<M, I, O> {
    fn content(&self, content: Content) -> Option<Content> {
        self.module.content(content)
    }
}

impl<M: ModuleDisplay, I, O> ModuleDisplay for Lift<M, I, O> {
    fn format(&self, settings: DisplaySettings) -> String {
        self.module.format(settings)
    }
}
