use burn::module::{
    Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor,
};
use burn::tensor::{Device, Tensor};

use super::Layer;

/// A module that takes a tensor of any rank and sends one of the same rank.
///
/// Implemented for the layers of `burn::nn` whose forward leaves the rank open: `Linear`, the
/// norms, the activations, dropout and noise. [`Ranked`] makes a [`Layer`] of them.
pub trait RankFree: Module + 'static {
    /// Run the module on a tensor of rank `D`.
    fn forward_ranked<const D: usize>(&self, input: Tensor<D>) -> Tensor<D>;
}

/// A [`RankFree`] module at one rank: a [`Layer`] from `Tensor<D>` to `Tensor<D>`.
///
/// A layer's signal has one type, and most modules of `burn::nn` leave their rank open.
/// `Ranked<LayerNorm, 3>` says which one is meant. It is the module in every other respect: the
/// same parameter paths, ids and records.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
/// use burn::tensor::Device;
/// use burn_pipeline::{Ranked, Sequential, ranked};
///
/// #[derive(Module, Sequential, Debug)]
/// struct Projection {
///     norm: Ranked<LayerNorm, 3>,
///     linear: Ranked<Linear, 3>,
/// }
///
/// let device = Device::default();
/// let projection = Projection {
///     norm: ranked(LayerNormConfig::new(8).init(&device)),
///     linear: ranked(LinearConfig::new(8, 8).init(&device)),
/// };
/// assert_eq!(projection.num_layers(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Ranked<M, const D: usize>(M);

/// Fix the rank of a [`RankFree`] module: see [`Ranked`].
pub fn ranked<M: RankFree, const D: usize>(module: M) -> Ranked<M, D> {
    Ranked(module)
}

impl<M, const D: usize> Ranked<M, D> {
    /// The module itself.
    pub fn module(&self) -> &M {
        &self.0
    }

    /// Take the module out again.
    pub fn into_inner(self) -> M {
        self.0
    }
}

impl<M: RankFree, const D: usize> Layer for Ranked<M, D> {
    type Input = Tensor<D>;
    type Output = Tensor<D>;

    fn forward(&self, input: Tensor<D>) -> Tensor<D> {
        self.0.forward_ranked(input)
    }
}

impl<M: Module, const D: usize> Module for Ranked<M, D> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self(self.0.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        Self(self.0.to_device(device))
    }

    fn train(self) -> Self {
        Self(self.0.train())
    }

    fn valid(&self) -> Self {
        Self(self.0.valid())
    }

    fn materialize(self) -> Self {
        Self(self.0.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.0.visit(visitor);
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        Self(self.0.map(mapper))
    }
}

impl<M: ModuleDisplay, const D: usize> ModuleDisplayDefault for Ranked<M, D> {
    fn content(&self, content: Content) -> Option<Content> {
        self.0.content(content)
    }
}

impl<M: ModuleDisplay, const D: usize> ModuleDisplay for Ranked<M, D> {
    fn format(&self, settings: DisplaySettings) -> String {
        self.0.format(settings)
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;

    use super::*;
    use crate::lift;

    #[test]
    fn it_is_shown_as_the_module_that_it_is() {
        let linear = LinearConfig::new(3, 2).init(&Device::flex());
        let text = linear.format(DisplaySettings::default());
        let ranked: Ranked<_, 2> = ranked(linear.clone());
        assert_eq!(ranked.format(DisplaySettings::default()), text);
        let lifted = lift(linear, burn::nn::Linear::forward::<2>);
        assert_eq!(lifted.format(DisplaySettings::default()), text);
    }
}
