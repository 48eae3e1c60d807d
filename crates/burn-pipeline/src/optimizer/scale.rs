//! Loss scaling: keeping small gradients above the least number of half precision.

use burn::config::Config;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use super::clip::Scale;
use super::gradients::{Measure, change, measure};

/// How the scale of a loss moves: what Micikevicius et al., *Mixed precision training* (2018),
/// section 3.2, describe, with the numbers of PyTorch's `GradScaler`.
#[derive(Config, Debug, PartialEq)]
pub struct LossScalerConfig {
    /// The scale of the first step.
    #[config(default = 65536.0)]
    pub initial_scale: f64,
    /// How many steps without an overflow there are before the scale grows.
    #[config(default = 2000)]
    pub growth_interval: u64,
    /// What the scale is multiplied by then. A power of two costs no precision.
    #[config(default = 2.0)]
    pub growth_factor: f64,
    /// What it is multiplied by after an overflow.
    #[config(default = 0.5)]
    pub backoff_factor: f64,
}

/// A scale of zero could never grow again.
const LEAST_SCALE: f64 = 1.0 / (1u64 << 32) as f64;

/// Dynamic loss scaling. Made by [`LossScalerConfig::init`], stored and restored by serde.
///
/// It is for [`Precision::F16`](crate::Precision::F16), where parameters and their gradients are in
/// single precision: gradients of parameters that are themselves `f16` would vanish when they are
/// divided.
///
/// In half precision, gradients below `6e-8` (`f16`) are zero. So the loss is multiplied by a large
/// number before it is run backward, and the gradients are divided by it again, in single
/// precision. When the number was too large, some gradient is infinite or not a number: that step
/// is left out, and the number is made smaller.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::optim::AdamConfig;
/// # use burn::tensor::{Device, Tensor};
/// # use burn_pipeline::{PipelineConfig, PipelineOptimizer, Placement, Ranked, ranked};
/// use burn_pipeline::LossScalerConfig;
/// # let device = Device::default();
/// # let layer: Ranked<Linear, 2> = ranked(LinearConfig::new(4, 4).init(&device));
/// # let placement = Placement::even(&[device.clone()]);
/// # let mut pipeline = PipelineConfig::new().init(layer, placement)?;
/// # let mut optimizer = PipelineOptimizer::new(AdamConfig::new().init());
/// # let input = Tensor::<2>::ones([8, 4], &device);
///
/// let mut scaler = LossScalerConfig::new().init();
/// let step = pipeline
///     .prepare_step(input, ())
///     .with_loss_scale(scaler.scale())
///     .run(|output, ()| output.mean())?;
/// if let Some(grads) = scaler.unscale(&pipeline, step.grads) {
///     pipeline = optimizer.step(1e-3, pipeline, grads)?;
/// }
/// # Ok::<_, burn_pipeline::PipelineError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossScaler {
    config: LossScalerConfig,
    scale: f64,
    num_steps_without_overflow: u64,
}

impl LossScalerConfig {
    /// A scaler before its first step.
    pub fn init(&self) -> LossScaler {
        LossScaler {
            config: self.clone(),
            scale: self.initial_scale,
            num_steps_without_overflow: 0,
        }
    }
}

impl LossScaler {
    /// What to multiply the loss by, for
    /// [`with_loss_scale`](crate::TrainStep::with_loss_scale).
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Divide the gradients of `module` by the scale, and move the scale for the next step.
    /// Nothing, when any of them is infinite or not a number: leave the step out then.
    ///
    /// With several steps whose gradients are accumulated, call this once, on the sum.
    ///
    /// # Complexity
    ///
    /// Two passes over the gradients, each on its own device, and one number per parameter to the
    /// host in one read per device.
    pub fn unscale<M: Module>(
        &mut self,
        module: &M,
        mut grads: GradientsParams,
    ) -> Option<GradientsParams> {
        change(module, &mut grads, &Scale(1.0 / self.scale));
        let overflow = measure(module, &grads, &Overflow).contains(&1.0);
        self.update(overflow);
        (!overflow).then_some(grads)
    }

    fn update(&mut self, overflow: bool) {
        if overflow {
            self.scale = (self.scale * self.config.backoff_factor).max(LEAST_SCALE);
            self.num_steps_without_overflow = 0;
            return;
        }
        self.num_steps_without_overflow += 1;
        if self.num_steps_without_overflow >= self.config.growth_interval {
            self.scale *= self.config.growth_factor;
            self.num_steps_without_overflow = 0;
        }
    }
}

struct Overflow;

impl Measure for Overflow {
    /// 1 where any number is infinite or not a number, else 0.
    fn measure<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<1> {
        let overflow = gradient.is_finite().bool_not().any();
        overflow.float().cast(FloatDType::F32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_falls_at_once_and_grows_after_an_interval() {
        let mut scaler = LossScalerConfig::new()
            .with_initial_scale(8.0)
            .with_growth_interval(3)
            .init();
        let mut scales = Vec::new();
        for overflow in [false, true, false, false, false, false, true, true] {
            scaler.update(overflow);
            scales.push(scaler.scale());
        }
        assert_eq!(scales, [8.0, 4.0, 4.0, 4.0, 8.0, 8.0, 4.0, 2.0]);
    }
}
