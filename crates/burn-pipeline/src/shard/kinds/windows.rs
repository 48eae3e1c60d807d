//! The layers of sliding windows that Burn has.

use burn::nn::conv::{Conv1d, Conv2d};
use burn::nn::pool::{AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d};
use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool1d, avg_pool2d, conv1d, conv2d, max_pool1d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};

use burn_pipeline_plan::AxisReads;

use super::window::{Window, padding_1d, padding_2d};
use crate::layer::Layer;

/// A layer of sliding windows.
pub(super) trait Windows<const R: usize>:
    Layer<Input = Tensor<R>, Output = Tensor<R>>
{
    /// What padding is made of.
    const PADDING: f32 = 0.0;

    /// Along the last dimensions of an input with these sizes.
    fn windows(&self, sizes: &[usize]) -> Vec<Window>;

    /// The channels of its parameters, and the groups that they are in.
    fn channels(&self) -> Option<Grouped> {
        None
    }

    /// The layer with the groups that are left when the channels are cut.
    fn with_groups(self, _groups: usize) -> Self {
        self
    }

    /// Run the windows on an input with this padding.
    fn run(&self, input: Tensor<R>, padding: &[(usize, usize)]) -> Tensor<R>;
}

/// The channels of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Grouped {
    pub(super) outputs: usize,
    pub(super) inputs_of_group: usize,
    pub(super) groups: usize,
}

impl Grouped {
    fn of(weight: &[usize], groups: usize) -> Self {
        Self {
            outputs: weight[0],
            inputs_of_group: weight[1],
            groups,
        }
    }

    /// What of the input's channels a part with whole groups reads: those of its groups. All of them
    /// where a group has fewer inputs than outputs, or no multiple: no window says which they are.
    pub(super) fn reads(&self) -> AxisReads {
        let outputs_of_group = self.outputs / self.groups;
        if self.groups == 1 || !self.inputs_of_group.is_multiple_of(outputs_of_group) {
            return AxisReads::All;
        }
        match self.inputs_of_group / outputs_of_group {
            1 => AxisReads::Same,
            ratio => AxisReads::Window {
                kernel: ratio,
                stride: ratio,
                padding: 0,
                dilation: 1,
            },
        }
    }

    /// Whether each channel is made of the one in its place.
    pub(super) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.inputs_of_group == 1 && self.outputs == self.groups
    }
}

/// Windows along each axis.
fn along<const N: usize>(
    kernel: [usize; N],
    stride: [usize; N],
    dilation: [usize; N],
    padding: [(usize, usize); N],
    ceil: bool,
) -> Vec<Window> {
    let window = |i: usize| Window {
        kernel: kernel[i],
        stride: stride[i],
        dilation: dilation[i],
        padding: padding[i],
        ceil,
    };
    (0..N).map(window).collect()
}

macro_rules! convolution {
    ($conv:ty, $rank:literal, $forward:ident, $array:ident, $padding:ident, $sizes:expr) => {
        impl Windows<$rank> for $conv {
            fn windows(&self, sizes: &[usize]) -> Vec<Window> {
                let (kernel, stride) = (self.kernel_size, self.stride);
                let padding = $padding(&self.padding, kernel, stride, $sizes(sizes));
                along(
                    $array!(kernel),
                    $array!(stride),
                    $array!(self.dilation),
                    padding,
                    false,
                )
            }

            fn channels(&self) -> Option<Grouped> {
                Some(Grouped::of(&self.weight.lazy_shape().to_vec(), self.groups))
            }

            fn with_groups(self, groups: usize) -> Self {
                Self { groups, ..self }
            }

            fn run(&self, input: Tensor<$rank>, padding: &[(usize, usize)]) -> Tensor<$rank> {
                let options = ConvOptions::new_with_padding(
                    $array!(self.stride),
                    core::array::from_fn(|i| padding[i]),
                    $array!(self.dilation),
                    self.groups,
                );
                let bias = self.bias.as_ref().map(|bias| bias.val());
                $forward(input, self.weight.val(), bias, options)
            }
        }
    };
}

macro_rules! max_pool {
    ($pool:ty, $rank:literal, $forward:ident, $array:ident, $padding:ident, $sizes:expr) => {
        impl Windows<$rank> for $pool {
            const PADDING: f32 = f32::NEG_INFINITY;

            fn windows(&self, sizes: &[usize]) -> Vec<Window> {
                let (kernel, stride) = (self.kernel_size, self.stride);
                let padding = $padding(&self.padding, kernel, stride, $sizes(sizes));
                along(
                    $array!(kernel),
                    $array!(stride),
                    $array!(self.dilation),
                    padding,
                    self.ceil_mode,
                )
            }

            fn run(&self, input: Tensor<$rank>, padding: &[(usize, usize)]) -> Tensor<$rank> {
                let options = MaxPoolOptions::new($array!(self.kernel_size))
                    .with_stride($array!(self.stride))
                    .with_padding_pairs(core::array::from_fn(|i| padding[i]))
                    .with_dilation($array!(self.dilation));
                $forward(input, options)
            }
        }
    };
}

macro_rules! avg_pool {
    ($pool:ty, $rank:literal, $forward:ident, $array:ident, $padding:ident, $sizes:expr) => {
        impl Windows<$rank> for $pool {
            fn windows(&self, sizes: &[usize]) -> Vec<Window> {
                let (kernel, stride) = (self.kernel_size, self.stride);
                let padding = $padding(&self.padding, kernel, stride, $sizes(sizes));
                let (kernel, stride) = ($array!(kernel), $array!(stride));
                along(kernel, stride, kernel.map(|_| 1), padding, false)
            }

            fn run(&self, input: Tensor<$rank>, padding: &[(usize, usize)]) -> Tensor<$rank> {
                let options = AvgPoolOptions::new($array!(self.kernel_size))
                    .with_stride($array!(self.stride))
                    .with_padding_pairs(core::array::from_fn(|i| padding[i]))
                    .with_count_include_pad(self.count_include_pad);
                $forward(input, options)
            }
        }
    };
}

macro_rules! one {
    ($value:expr) => {
        [$value]
    };
}

macro_rules! two {
    ($value:expr) => {
        $value
    };
}

fn length(sizes: &[usize]) -> usize {
    sizes[0]
}

fn rows_and_columns(sizes: &[usize]) -> [usize; 2] {
    [sizes[0], sizes[1]]
}

convolution!(Conv1d, 3, conv1d, one, padding_1d, length);
convolution!(Conv2d, 4, conv2d, two, padding_2d, rows_and_columns);
max_pool!(MaxPool1d, 3, max_pool1d, one, padding_1d, length);
max_pool!(MaxPool2d, 4, max_pool2d, two, padding_2d, rows_and_columns);
avg_pool!(AvgPool1d, 3, avg_pool1d, one, padding_1d, length);
avg_pool!(AvgPool2d, 4, avg_pool2d, two, padding_2d, rows_and_columns);
