use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor};

/// Causal self-attention with several heads: a byte sees itself and those before it.
///
/// The projection of keys has no bias: softmax is blind to it, so its gradient would be nothing
/// but rounding.
#[derive(Module, Debug)]
pub struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    num_heads: usize,
}

impl Attention {
    /// Attention of `num_heads` heads that share `width` evenly.
    pub fn new(width: usize, num_heads: usize, device: &Device) -> Self {
        let linear = LinearConfig::new(width, width);
        Self {
            query: linear.init(device),
            key: linear.clone().with_bias(false).init(device),
            value: linear.init(device),
            output: linear.init(device),
            num_heads,
        }
    }

    /// `[num_samples, length, width]` to the same.
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let shape = input.dims();
        let attended = attention(
            self.split(self.query.forward(input.clone())),
            self.split(self.key.forward(input.clone())),
            self.split(self.value.forward(input)),
            None,
            None,
            AttentionModuleOptions {
                is_causal: true,
                ..Default::default()
            },
        );
        self.output.forward(attended.swap_dims(1, 2).reshape(shape))
    }

    /// `[num_samples, length, width]` to `[num_samples, num_heads, length, width / num_heads]`.
    fn split(&self, tensor: Tensor<3>) -> Tensor<4> {
        let [num_samples, length, width] = tensor.dims();
        tensor
            .reshape([num_samples, length, self.num_heads, width / self.num_heads])
            .swap_dims(1, 2)
    }
}
