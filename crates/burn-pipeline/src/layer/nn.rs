//! The modules of `burn::nn` as layers.

use burn::nn;
use burn::nn::attention::{MhaInput, MultiHeadAttention};
use burn::tensor::{Int, Tensor};

use super::{Layer, RankFree};
use crate::random;

macro_rules! layer {
    ($($module:ty: $input:ty => $output:ty),+ $(,)?) => {
        $(
            impl Layer for $module {
                type Input = $input;
                type Output = $output;

                fn forward(&self, input: $input) -> $output {
                    <$module>::forward(self, input)
                }
            }
        )+
    };
}

/// Attention of each sequence on itself, without a mask: `[n, length, d_model]` to the same. With a
/// mask, or on another sequence, it is part of a layer of your own.
impl Layer for MultiHeadAttention {
    type Input = Tensor<3>;
    type Output = Tensor<3>;

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.forward(MhaInput::self_attn(input)).context
    }
}

macro_rules! rank_free {
    ($($module:ty),+ $(,)?) => {
        $(
            impl RankFree for $module {
                fn forward_ranked<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
                    self.forward(input)
                }
            }
        )+
    };
}

layer! {
    nn::conv::Conv1d: Tensor<3> => Tensor<3>,
    nn::conv::Conv2d: Tensor<4> => Tensor<4>,
    nn::conv::Conv3d: Tensor<5> => Tensor<5>,
    nn::conv::ConvTranspose1d: Tensor<3> => Tensor<3>,
    nn::conv::ConvTranspose2d: Tensor<4> => Tensor<4>,
    nn::conv::ConvTranspose3d: Tensor<5> => Tensor<5>,
    nn::pool::AvgPool1d: Tensor<3> => Tensor<3>,
    nn::pool::AvgPool2d: Tensor<4> => Tensor<4>,
    nn::pool::MaxPool1d: Tensor<3> => Tensor<3>,
    nn::pool::MaxPool2d: Tensor<4> => Tensor<4>,
    nn::pool::AdaptiveAvgPool1d: Tensor<3> => Tensor<3>,
    nn::pool::AdaptiveAvgPool2d: Tensor<4> => Tensor<4>,
    nn::pool::AdaptiveAvgPool3d: Tensor<5> => Tensor<5>,
    nn::interpolate::Interpolate1d: Tensor<3> => Tensor<3>,
    nn::interpolate::Interpolate2d: Tensor<4> => Tensor<4>,
    nn::Unfold4d: Tensor<4> => Tensor<3>,
    nn::Fold4d: Tensor<3> => Tensor<4>,
    nn::PixelShuffle: Tensor<4> => Tensor<4>,
    nn::PixelUnshuffle: Tensor<4> => Tensor<4>,
    nn::Embedding: Tensor<2, Int> => Tensor<3>,
    nn::PositionalEncoding: Tensor<3> => Tensor<3>,
}

rank_free! {
    nn::Linear,
    nn::BatchNorm,
    nn::GroupNorm,
    nn::InstanceNorm,
    nn::LayerNorm,
    nn::RmsNorm,
    nn::LocalResponseNorm,
    nn::Dropout,
    nn::GaussianNoise,
    random::Dropout,
    random::GaussianNoise,
    nn::transformer::PositionWiseFeedForward,
    nn::RotaryEncoding,
    nn::Identity,
    nn::norm::Normalization,
    nn::SwiGlu,
    nn::activation::Activation,
    nn::activation::Celu,
    nn::activation::Elu,
    nn::activation::Gelu,
    nn::activation::HardShrink,
    nn::activation::HardSigmoid,
    nn::activation::HardSwish,
    nn::activation::Hardtanh,
    nn::activation::LeakyRelu,
    nn::activation::LogSigmoid,
    nn::activation::Mish,
    nn::activation::PRelu,
    nn::activation::RRelu,
    nn::activation::Relu,
    nn::activation::Relu6,
    nn::activation::Selu,
    nn::activation::Shrink,
    nn::activation::Sigmoid,
    nn::activation::SiLU,
    nn::activation::SoftShrink,
    nn::activation::Softplus,
    nn::activation::Softsign,
    nn::activation::Tanh,
    nn::activation::Tanhshrink,
    nn::activation::ThresholdedRelu,
}
