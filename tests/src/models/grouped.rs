use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Ranked, Sequential, ranked};

use super::{Toy, mean_square};
use crate::data::{filled, floats};
use crate::devices::two_devices;

const WIDTH: usize = 8;

/// The parameters of one half of the columns of a [`Wide`].
#[derive(Module, Debug)]
pub struct Half {
    linear: Linear,
    norm: Option<BatchNorm>,
    dropout: Option<Dropout>,
}

impl Half {
    fn new(noisy: bool, device: &Device) -> Self {
        Self {
            linear: LinearConfig::new(WIDTH, WIDTH / 2).init(device),
            norm: noisy.then(|| BatchNormConfig::new(WIDTH / 2).init(device)),
            dropout: noisy.then(|| DropoutConfig::new(0.3).init()),
        }
    }

    fn device(&self) -> Device {
        self.linear.weight.lazy_device().without_autodiff()
    }

    fn fork_in_place(self) -> Self {
        let device = self.device();
        self.fork(&device)
    }

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let mut hidden = self.linear.forward(input.to_device(&self.device()));
        if let Some(norm) = &self.norm {
            hidden = norm.forward(hidden);
        }
        if let Some(dropout) = &self.dropout {
            hidden = dropout.forward(hidden);
        }
        relu(hidden)
    }
}

/// Two halves of a layer, each with its parameters on a device of its own, where they stay.
#[derive(Clone, Debug)]
pub struct Wide {
    left: Half,
    right: Half,
}

impl Wide {
    fn new(noisy: bool, device: &Device, own: &[Device; 2]) -> Self {
        let [left, right] = own.each_ref().map(|own| Half::new(noisy, device).fork(own));
        Self { left, right }
    }

    fn map_halves(self, map: impl Fn(Half) -> Half) -> Self {
        Self {
            left: map(self.left),
            right: map(self.right),
        }
    }
}

impl Layer for Wide {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let device = input.device();
        let halves = [&self.left, &self.right];
        let halves = halves.map(|half| half.forward(input.clone()).to_device(&device));
        Tensor::cat(halves.into(), 1)
    }
}

impl Module for Wide {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.right
            .collect_devices(self.left.collect_devices(devices))
    }

    fn fork(self, _device: &Device) -> Self {
        self.map_halves(Half::fork_in_place)
    }

    fn to_device(self, _device: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        self.map_halves(Module::train)
    }

    fn valid(&self) -> Self {
        self.clone().map_halves(|half| half.valid())
    }

    fn materialize(self) -> Self {
        self.map_halves(Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (name, half) in [("left", &self.left), ("right", &self.right)] {
            visitor.enter_module(name, "Struct:Wide");
            half.visit(visitor);
            visitor.exit_module(name, "Struct:Wide");
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let [left, right] = [("left", self.left), ("right", self.right)].map(|(name, half)| {
            mapper.enter_module(name, "Struct:Wide");
            let half = half.map(mapper);
            mapper.exit_module(name, "Struct:Wide");
            half
        });
        Self { left, right }
    }
}

impl ModuleDisplayDefault for Wide {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .add("left", &self.left)
            .add("right", &self.right)
            .optional()
    }
}

impl ModuleDisplay for Wide {}

/// Wide layers among ordinary ones: five layers. A stage with a wide one spans both devices.
#[derive(Module, Sequential, Debug)]
pub struct Grouped {
    first: Ranked<Linear, 2>,
    wide: Wide,
    middle: Ranked<Linear, 2>,
    wider: Wide,
    head: Ranked<Linear, 2>,
}

/// The model on `device`, and the halves of its wide layers on devices of their own.
pub fn grouped(device: &Device, own: &[Device; 2]) -> Grouped {
    model(false, device, own)
}

fn model(noisy: bool, device: &Device, own: &[Device; 2]) -> Grouped {
    let linear = |inputs, outputs| ranked(LinearConfig::new(inputs, outputs).init(device));
    filled(Grouped {
        first: linear(6, WIDTH),
        wide: Wide::new(noisy, device, own),
        middle: linear(WIDTH, WIDTH),
        wider: Wide::new(noisy, device, own),
        head: linear(WIDTH, 3),
    })
}

impl Toy for Grouped {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        grouped(device, &two_devices())
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        (
            floats([num_samples, 6], 1, device),
            floats([num_samples, 3], 2, device),
        )
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}

/// The [`Grouped`] with batch norms and Burn's dropouts in its halves, which train.
pub struct NoisyGroup;

impl Toy for NoisyGroup {
    type Model = Grouped;
    type Target = Tensor<2>;

    const DRAWS: bool = true;

    fn model(device: &Device) -> Grouped {
        model(true, device, &two_devices())
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        Grouped::batch(num_samples, device)
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}
