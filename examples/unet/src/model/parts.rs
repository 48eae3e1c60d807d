//! The layers.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::Layer;

use super::{Block, Features, Route, Sent};

/// A block, whose maps are sent to the [`Up`] of their size, and halved for the next layer.
#[derive(Module, Debug)]
pub struct Down {
    block: Block,
    pool: MaxPool2d,
    #[module(skip)]
    route: Route,
}

/// A block at the smallest size.
#[derive(Module, Debug)]
pub struct Bottom {
    block: Block,
}

/// Twice the size and half the channels, beside the maps that its [`Down`] has sent.
#[derive(Module, Debug)]
pub struct Up {
    grow: ConvTranspose2d,
    block: Block,
}

/// The logit of each pixel: positive where it belongs to a shape.
#[derive(Module, Debug)]
pub struct Head {
    output: Conv2d,
}

impl Down {
    pub(super) fn new(inputs: usize, outputs: usize, route: Route, device: &Device) -> Self {
        Self {
            block: Block::new(inputs, outputs, device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            route,
        }
    }
}

impl Bottom {
    pub(super) fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            block: Block::new(inputs, outputs, device),
        }
    }
}

impl Up {
    pub(super) fn new(outputs: usize, device: &Device) -> Self {
        let grow = ConvTranspose2dConfig::new([2 * outputs, outputs], [2, 2]);
        Self {
            grow: grow.with_stride([2, 2]).init(device),
            block: Block::new(2 * outputs, outputs, device),
        }
    }
}

impl Head {
    pub(super) fn new(inputs: usize, device: &Device) -> Self {
        Self {
            output: Conv2dConfig::new([inputs, 1], [1, 1]).init(device),
        }
    }
}

impl Layer for Down {
    type Input = Features;
    type Output = Features;

    fn forward(&self, Features { maps, mut sent }: Features) -> Features {
        let maps = self.block.forward(maps);
        sent.push(Sent::new(maps.clone(), self.route));
        let maps = self.pool.forward(maps);
        Features { maps, sent }
    }
}

impl Layer for Bottom {
    type Input = Features;
    type Output = Features;

    fn forward(&self, Features { maps, sent }: Features) -> Features {
        let maps = self.block.forward(maps);
        Features { maps, sent }
    }
}

impl Layer for Up {
    type Input = Features;
    type Output = Features;

    fn forward(&self, Features { maps, mut sent }: Features) -> Features {
        let sent_here = sent.pop().expect("a U-Net has a down for each up").get();
        let maps = Tensor::cat(vec![sent_here, self.grow.forward(maps)], 1);
        let maps = self.block.forward(maps);
        Features { maps, sent }
    }
}

impl Layer for Head {
    type Input = Features;
    type Output = Tensor<4>;

    fn forward(&self, features: Features) -> Tensor<4> {
        self.output.forward(features.maps)
    }
}
