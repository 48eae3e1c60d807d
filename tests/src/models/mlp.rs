use burn::module::Module;
use burn::nn::{Linear, LinearConfig, Relu};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Ranked, Sequential, ranked};

use super::{Toy, mean_square};
use crate::data::{filled, floats};

/// One hidden layer.
#[derive(Module, Debug)]
pub struct Hidden {
    linear: Linear,
    activation: Relu,
}

impl Layer for Hidden {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.activation.forward(self.linear.forward(input))
    }
}

/// Four hidden layers and a head of its own type: five layers.
#[derive(Module, Sequential, Debug)]
pub struct Mlp {
    hidden: Vec<Hidden>,
    head: Ranked<Linear, 2>,
}

impl Mlp {
    /// The forward as it is written without layers.
    pub fn forward_by_hand(&self, input: Tensor<2>) -> Tensor<2> {
        let mut hidden = input;
        for layer in &self.hidden {
            let bias = layer.linear.bias.as_ref().expect("a bias by default").val();
            let linear = hidden.matmul(layer.linear.weight.val()) + bias.unsqueeze();
            hidden = linear.clamp_min(0.0);
        }
        self.head.module().forward(hidden)
    }
}

/// `[n, 6]` to `[n, 3]`, not initialised yet.
pub fn mlp(device: &Device) -> Mlp {
    let hidden = |inputs, outputs| Hidden {
        linear: LinearConfig::new(inputs, outputs).init(device),
        activation: Relu::new(),
    };
    Mlp {
        hidden: vec![hidden(6, 8), hidden(8, 8), hidden(8, 8), hidden(8, 8)],
        head: ranked(LinearConfig::new(8, 3).init(device)),
    }
}

impl Toy for Mlp {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        filled(mlp(device))
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
