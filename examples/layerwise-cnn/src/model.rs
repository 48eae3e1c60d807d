//! The network: five convolutions and three fully connected layers.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Ranked, Sequential, ranked};

/// A network of the form of AlexNet (Krizhevsky, Sutskever and Hinton, 2012), for small pictures:
/// `[num_pictures, 3, size, size]` to `[num_pictures, num_classes]`.
///
/// As in AlexNet, most of the work is in the convolutions and most of the parameters are in the fully
/// connected layers: no one way of splitting suits both.
#[derive(Module, Sequential, Debug)]
pub struct AlexNet {
    conv1: Conv2d,
    relu1: Ranked<Relu, 4>,
    pool1: MaxPool2d,
    conv2: Conv2d,
    relu2: Ranked<Relu, 4>,
    pool2: MaxPool2d,
    conv3: Conv2d,
    relu3: Ranked<Relu, 4>,
    conv4: Conv2d,
    relu4: Ranked<Relu, 4>,
    conv5: Conv2d,
    relu5: Ranked<Relu, 4>,
    pool5: MaxPool2d,
    flatten: Flatten,
    fc6: Ranked<Linear, 2>,
    relu6: Ranked<Relu, 2>,
    fc7: Ranked<Linear, 2>,
    relu7: Ranked<Relu, 2>,
    fc8: Ranked<Linear, 2>,
}

/// Each picture as one row: `[num_pictures, channels, height, width]` to
/// `[num_pictures, channels * height * width]`.
#[derive(Module, Debug)]
pub struct Flatten {}

impl Layer for Flatten {
    type Input = Tensor<4>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<4>) -> Tensor<2> {
        input.flatten(1, 3)
    }
}

/// The sizes of an [`AlexNet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlexNetConfig {
    /// Rows and columns of a picture, 57 or more.
    pub size: usize,
    /// Channels of the first convolution; the others have up to four times as many.
    pub width: usize,
    /// Features of the fully connected layers.
    pub num_features: usize,
    /// Classes of pictures.
    pub num_classes: usize,
}

impl AlexNetConfig {
    /// A network with weights that are drawn when they are first needed.
    pub fn init(&self, device: &Device) -> AlexNet {
        let Self { width, .. } = *self;
        let conv = |channels: [usize; 2], kernel: usize, stride: usize| {
            let padding = kernel / 2;
            Conv2dConfig::new(channels, [kernel; 2])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(
                    padding, padding, padding, padding,
                ))
                .init(device)
        };
        let pool = || MaxPool2dConfig::new([3; 2]).with_strides([2; 2]).init();
        let linear = |inputs, outputs| ranked(LinearConfig::new(inputs, outputs).init(device));
        let features = 3 * width * self.last_size() * self.last_size();
        AlexNet {
            conv1: conv([3, width], 11, 4),
            relu1: ranked(Relu::new()),
            pool1: pool(),
            conv2: conv([width, 3 * width], 5, 1),
            relu2: ranked(Relu::new()),
            pool2: pool(),
            conv3: conv([3 * width, 4 * width], 3, 1),
            relu3: ranked(Relu::new()),
            conv4: conv([4 * width, 4 * width], 3, 1),
            relu4: ranked(Relu::new()),
            conv5: conv([4 * width, 3 * width], 3, 1),
            relu5: ranked(Relu::new()),
            pool5: pool(),
            flatten: Flatten {},
            fc6: linear(features, self.num_features),
            relu6: ranked(Relu::new()),
            fc7: linear(self.num_features, self.num_features),
            relu7: ranked(Relu::new()),
            fc8: linear(self.num_features, self.num_classes),
        }
    }

    /// Rows of what the last pooling sends; 0 if a picture is too small.
    pub fn last_size(&self) -> usize {
        let strided = self.size.div_ceil(4);
        (0..3).fold(strided, |size, _| size.saturating_sub(1) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_are_those_that_the_layers_make() {
        let device = Device::flex();
        for size in [57, 60, 64, 65, 95] {
            let config = AlexNetConfig {
                size,
                width: 4,
                num_features: 8,
                num_classes: 3,
            };
            let pictures = Tensor::<4>::zeros([2, 3, size, size], &device);
            let output = config.init(&device).forward_layers(pictures);
            assert_eq!(output.dims(), [2, 3], "{size}");
        }
    }
}
