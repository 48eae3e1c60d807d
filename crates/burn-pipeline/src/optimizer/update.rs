//! One parameter on its way through an optimizer.

use std::any::Any;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};

use crate::signal::StageDevice;
use crate::transfer::move_to;

/// A parameter that has been taken out of its model, its rank forgotten.
pub(super) trait Update: Send {
    fn id(&self) -> ParamId;

    /// The fields that lead to it, joined by dots.
    fn path(&self) -> &str;

    /// The updated `Param<Tensor<D>>`, and a number of it where the device has to be asked whether it
    /// could be computed.
    fn update(
        self: Box<Self>,
        optimizer: &mut ModuleOptimizer,
        lr: &ModuleLearningRate,
        device: &StageDevice,
    ) -> (Box<dyn Any + Send>, Option<Tensor<1>>);
}

pub(super) struct Taken<const D: usize> {
    pub(super) path: String,
    pub(super) param: Param<Tensor<D>>,
    pub(super) gradient: Tensor<D>,
}

impl<const D: usize> Update for Taken<D> {
    fn id(&self) -> ParamId {
        self.param.id
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn update(
        self: Box<Self>,
        optimizer: &mut ModuleOptimizer,
        lr: &ModuleLearningRate,
        device: &StageDevice,
    ) -> (Box<dyn Any + Send>, Option<Tensor<1>>) {
        let Self {
            path,
            param,
            gradient,
        } = *self;
        // Burn's optimizer would move the parameter to where its gradient is.
        let gradient = move_to(gradient, &param.lazy_device().without_autodiff());
        let mut gradients = GradientsParams::new();
        gradients.register(param.id, gradient);
        let alone = Alone { path, param };
        let param = optimizer.step(lr.clone(), alone, gradients).param;
        let witness = device.witness(&param.base());
        (Box::new(param), witness)
    }
}

/// A module of one parameter, which a mapper finds at the parameter's own path.
#[derive(Clone, Debug)]
struct Alone<const D: usize> {
    path: String,
    param: Param<Tensor<D>>,
}

impl<const D: usize> Alone<D> {
    fn with(self, change: impl FnOnce(Param<Tensor<D>>) -> Param<Tensor<D>>) -> Self {
        Self {
            path: self.path,
            param: change(self.param),
        }
    }
}

impl<const D: usize> Module for Alone<D> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.param.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        self.with(|param| param.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.with(|param| param.to_device(device))
    }

    fn train(self) -> Self {
        self.with(Module::train)
    }

    fn valid(&self) -> Self {
        self.clone().with(|param| param.valid())
    }

    fn materialize(self) -> Self {
        self.with(Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.enter_module(&self.path, "Alone");
        self.param.visit(visitor);
        visitor.exit_module(&self.path, "Alone");
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        let Self { path, param } = self;
        mapper.enter_module(&path, "Alone");
        let param = Module::map(param, mapper);
        mapper.exit_module(&path, "Alone");
        Self { path, param }
    }
}
