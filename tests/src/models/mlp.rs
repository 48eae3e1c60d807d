use burn::module::Module;
use burn::nn::{Linear, LinearConfig, Relu};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Sequential};

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
    head: burn_pipeline::Ranked<Linear, 2>,
}

/// `[n, 6]` to `[n, 3]`.
pub fn mlp(device: &Device) -> Mlp {
    let hidden = |inputs, outputs| Hidden {
        linear: LinearConfig::new(inputs, outputs).init(device),
        activation: Relu::new(),
    };
    Mlp {
        hidden: vec![hidden(6, 8), hidden(8, 8), hidden(8, 8), hidden(8, 8)],
        head: burn_pipeline::ranked(LinearConfig::new(8, 3).init(device)),
    }
}
