use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, Relu};
use burn::prelude::*;
use burn_pipeline::{Lift, Ranked, Sequential, lift, ranked};

use crate::ModelConfig;

/// The model of Burn's guide, as a sequence of ten layers.
#[derive(Module, Sequential, Debug)]
pub struct Model {
    conv1: Lift<Conv2d, Tensor<3>, Tensor<4>>,
    dropout1: Ranked<Dropout, 4>,
    conv2: Conv2d,
    dropout2: Ranked<Dropout, 4>,
    activation1: Ranked<Relu, 4>,
    pool: Lift<AdaptiveAvgPool2d, Tensor<4>, Tensor<2>>,
    linear1: Ranked<Linear, 2>,
    dropout3: Ranked<Dropout, 2>,
    activation2: Ranked<Relu, 2>,
    linear2: Ranked<Linear, 2>,
}

impl Model {
    /// A model that is not initialised yet.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let dropout = DropoutConfig::new(config.dropout);
        Self {
            conv1: lift(
                Conv2dConfig::new([1, 8], [3, 3]).init(device),
                |conv, images| conv.forward(images.unsqueeze_dim(1)), // [batch_size, 8, _, _]
            ),
            dropout1: ranked(dropout.init()),
            conv2: Conv2dConfig::new([8, 16], [3, 3]).init(device), // [batch_size, 16, _, _]
            dropout2: ranked(dropout.init()),
            activation1: ranked(Relu::new()),
            pool: lift(
                AdaptiveAvgPool2dConfig::new([8, 8]).init(),
                |pool, x| pool.forward(x).flatten(1, 3), // [batch_size, 16 * 8 * 8]
            ),
            linear1: ranked(LinearConfig::new(16 * 8 * 8, config.hidden_size).init(device)),
            dropout3: ranked(dropout.init()),
            activation2: ranked(Relu::new()),
            linear2: ranked(LinearConfig::new(config.hidden_size, config.num_classes).init(device)),
        }
    }
}
