//! A stack of equal layers, so that an even partition is a balanced one.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig, Relu};
use burn::tensor::{Device, Tensor};
use burn_pipeline::Layer;

/// A fully connected layer: `[batch, width]` to the same.
#[derive(Module, Debug)]
pub struct Dense {
    linear: Linear,
    activation: Relu,
}

impl Layer for Dense {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.activation.forward(self.linear.forward(input))
    }
}

/// `num_layers` such layers of `width`.
pub fn dense(num_layers: usize, width: usize, device: &Device) -> Vec<Dense> {
    let layer = || Dense {
        linear: LinearConfig::new(width, width).init(device),
        activation: Relu::new(),
    };
    (0..num_layers).map(|_| layer()).collect()
}
