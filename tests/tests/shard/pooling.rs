//! Pools by channel, height and width.

use burn::nn::conv::Conv2dConfig;
use burn::nn::pool::{
    AdaptiveAvgPool2dConfig, AvgPool1dConfig, AvgPool2dConfig, MaxPool1dConfig, MaxPool2dConfig,
};
use burn::nn::{PaddingConfig1d, PaddingConfig2d};
use burn::tensor::Device;
use rstest::rstest;

use super::support::{check, split};

const DEGREES: [[usize; 4]; 5] = [
    [1, 1, 2, 1],
    [1, 1, 3, 2],
    [2, 2, 1, 1],
    [1, 2, 2, 2],
    [1, 1, 1, 4],
];

#[rstest]
#[case::valid(PaddingConfig2d::Valid)]
#[case::around(PaddingConfig2d::Explicit(1, 1, 1, 1))]
#[case::uneven(PaddingConfig2d::Explicit(1, 0, 0, 1))]
fn max_pools(
    #[case] padding: PaddingConfig2d,
    #[values([1, 1], [2, 1], [2, 3])] strides: [usize; 2],
    #[values(false, true)] ceil_mode: bool,
) {
    let make = |_: &Device| {
        MaxPool2dConfig::new([3, 2])
            .with_strides(strides)
            .with_padding(padding.clone())
            .with_ceil_mode(ceil_mode)
            .init()
    };
    for degrees in DEGREES {
        check(make, &[split(degrees)], &[2, 3, 8, 7]);
    }
}

#[test]
fn max_pools_with_dilation() {
    let make = |_: &Device| {
        MaxPool2dConfig::new([2, 2])
            .with_strides([1, 2])
            .with_dilation([2, 3])
            .init()
    };
    for degrees in DEGREES {
        check(make, &[split(degrees)], &[2, 2, 8, 9]);
    }
}

#[rstest]
#[case::valid(PaddingConfig2d::Valid)]
#[case::around(PaddingConfig2d::Explicit(1, 1, 1, 1))]
#[case::uneven(PaddingConfig2d::Explicit(1, 0, 0, 1))]
fn average_pools(
    #[case] padding: PaddingConfig2d,
    #[values([1, 1], [2, 1], [2, 3])] strides: [usize; 2],
    #[values(false, true)] count_include_pad: bool,
) {
    let make = |_: &Device| {
        AvgPool2dConfig::new([3, 2])
            .with_strides(strides)
            .with_padding(padding.clone())
            .with_count_include_pad(count_include_pad)
            .init()
    };
    for degrees in DEGREES {
        check(make, &[split(degrees)], &[2, 3, 8, 7]);
    }
}

#[test]
fn pools_over_signals() {
    let max = |_: &Device| {
        let config = MaxPool1dConfig::new(3).with_stride(2);
        config.with_padding(PaddingConfig1d::Explicit(1, 1)).init()
    };
    check(max, &[split([1, 1, 1, 3])], &[2, 2, 10]);
    let average = |_: &Device| {
        let config = AvgPool1dConfig::new(3).with_stride(2);
        config.with_padding(PaddingConfig1d::Explicit(1, 0)).init()
    };
    check(average, &[split([1, 2, 1, 2])], &[2, 2, 10]);
}

#[test]
fn pools_that_need_all_of_an_image_are_split_by_channel() {
    let adaptive = |_: &Device| AdaptiveAvgPool2dConfig::new([2, 3]).init();
    check(adaptive, &[split([2, 2, 1, 1])], &[3, 3, 5, 7]);
    let ceil = |_: &Device| {
        let config = AvgPool2dConfig::new([2, 2]).with_ceil_mode(true);
        config.init()
    };
    check(ceil, &[split([2, 2, 1, 1])], &[3, 3, 5, 7]);
}

#[test]
fn a_convolution_and_a_pool_that_are_split_unlike() {
    let make = |device: &Device| {
        (
            Conv2dConfig::new([2, 4], [3, 3]).init(device),
            MaxPool2dConfig::new([2, 2]).init(),
        )
    };
    for (a, b) in DEGREES.into_iter().zip(DEGREES.into_iter().rev()) {
        check(make, &[split(a), split(b)], &[2, 2, 9, 10]);
    }
}
