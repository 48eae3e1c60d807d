use burn::module::Module;
use burn::tensor::Device;
use burn_pipeline::Sequential;

use super::{Bottom, Down, Head, Route, Up};

/// The shape of a [`UNet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UNetConfig {
    /// Channels at full size; half the size has twice as many.
    pub width: usize,
    /// How often the size is halved, and doubled again.
    pub depth: usize,
    /// How maps get from downs to ups.
    pub route: Route,
}

/// A U-Net: `depth` downs, a bottom, `depth` ups and a head, each of them a layer. Pictures
/// `[num_pictures, 1, size, size]` to logits of the same shape.
#[derive(Module, Sequential, Debug)]
pub struct UNet {
    downs: Vec<Down>,
    bottom: Bottom,
    ups: Vec<Up>,
    head: Head,
}

impl UNetConfig {
    /// Maps that skip the layers between.
    pub fn new(width: usize, depth: usize) -> Self {
        Self {
            width,
            depth,
            route: Route::Skip,
        }
    }

    /// Let maps take another route.
    pub fn with_route(self, route: Route) -> Self {
        Self { route, ..self }
    }

    /// The channels at the size that was halved `level` times.
    pub fn channels(&self, level: usize) -> usize {
        self.width << level
    }

    /// A new model. Parameters get their values when they are first used.
    pub fn init(&self, device: &Device) -> UNet {
        let channels = |level| self.channels(level);
        let inputs = |level: usize| match level {
            0 => 1,
            _ => channels(level - 1),
        };
        UNet {
            downs: (0..self.depth)
                .map(|level| Down::new(inputs(level), channels(level), self.route, device))
                .collect(),
            bottom: Bottom::new(inputs(self.depth), channels(self.depth), device),
            ups: (0..self.depth)
                .rev()
                .map(|level| Up::new(channels(level), device))
                .collect(),
            head: Head::new(channels(0), device),
        }
    }
}
