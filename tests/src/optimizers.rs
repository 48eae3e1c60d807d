//! Optimizers and learning rates to train toys by, and training without a pipeline.

use burn::grad_clipping::GradientClippingConfig;
use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::exponential::ExponentialLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::ParamGroup;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Device;
use burn_pipeline::Sequential;

use crate::models::Toy;

/// The model after steps on the whole mini-batch at once.
pub fn train<T: Toy>(
    mut model: T::Model,
    optimizer: &mut ModuleOptimizer,
    rate: &mut ModuleLrScheduler,
    num_steps: usize,
) -> T::Model {
    for _ in 0..num_steps {
        let (input, target) = T::batch(6, &Device::flex().autodiff());
        let loss = T::loss(model.forward_layers(input), target);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(rate.step(), model, gradients);
    }
    model
}

/// Gradient descent with momentum.
pub fn momentum() -> ModuleOptimizer {
    SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new()))
        .init()
}

/// Adam.
pub fn adam() -> ModuleOptimizer {
    AdamConfig::new().init()
}

/// Adam, every gradient clipped by value.
pub fn clipped_by_value() -> ModuleOptimizer {
    let clipping = GradientClippingConfig::Value(0.01);
    AdamConfig::new().with_grad_clipping(Some(clipping)).init()
}

/// Gradient descent, every gradient clipped by its norm.
pub fn clipped_by_norm() -> ModuleOptimizer {
    let clipping = GradientClippingConfig::Norm(0.05);
    SgdConfig::new()
        .with_gradient_clipping(Some(clipping))
        .init()
}

/// Adam, but the first layer and the head by optimizers of their own.
pub fn in_groups() -> ModuleOptimizer {
    let momentum = SgdConfig::new().with_momentum(Some(MomentumConfig::new()));
    let clipping = GradientClippingConfig::Value(0.02).init();
    adam()
        .with_group(
            ParamGroup::from_predicate("hidden.0"),
            momentum.build(),
            None,
        )
        .with_group(
            ParamGroup::from_predicate("head"),
            SgdConfig::new().build(),
            Some(clipping),
        )
}

/// One rate.
pub fn constant() -> ModuleLrScheduler {
    ModuleLrScheduler::new(ConstantLr::new(0.05))
}

/// A rate that is halved at each step.
pub fn decaying() -> ModuleLrScheduler {
    ExponentialLrSchedulerConfig::new(0.05, 0.5)
        .init()
        .expect("a rate above 0")
}

/// A rate that is halved at each step, and another one for the head.
pub fn slower_head() -> ModuleLrScheduler {
    decaying().with_group(ParamGroup::from_predicate("head"), ConstantLr::new(0.001))
}
