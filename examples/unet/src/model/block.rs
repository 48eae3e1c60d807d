use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d, Relu};
use burn::tensor::{Device, Tensor};

/// Twice a 3x3 convolution, Burn's batch norm and an activation: the number of channels changes,
/// the size stays.
#[derive(Module, Debug)]
pub struct Block {
    first: Conv2d,
    first_norm: BatchNorm,
    second: Conv2d,
    second_norm: BatchNorm,
    activation: Relu,
}

impl Block {
    /// `[num_pictures, inputs, height, width]` to `[num_pictures, outputs, height, width]`.
    pub fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        let convolution = |inputs| {
            Conv2dConfig::new([inputs, outputs], [3, 3])
                .with_padding(PaddingConfig2d::Same)
                .with_bias(false)
                .init(device)
        };
        let norm = || BatchNormConfig::new(outputs).init(device);
        Self {
            first: convolution(inputs),
            first_norm: norm(),
            second: convolution(outputs),
            second_norm: norm(),
            activation: Relu::new(),
        }
    }

    /// Run it.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let hidden = self.first_norm.forward(self.first.forward(input));
        let hidden = self.second.forward(self.activation.forward(hidden));
        self.activation.forward(self.second_norm.forward(hidden))
    }
}
