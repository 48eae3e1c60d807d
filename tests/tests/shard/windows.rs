//! Convolutions by height and width: halos at any stride, padding and dilation.

use burn::nn::conv::{Conv1dConfig, Conv2dConfig};
use burn::nn::{PaddingConfig1d, PaddingConfig2d};
use burn::tensor::Device;
use burn_pipeline_tests::data::generator;
use proptest::prelude::*;
use rstest::rstest;

use super::support::{check, split};

#[rstest]
#[case::valid(PaddingConfig2d::Valid)]
#[case::same(PaddingConfig2d::Same)]
#[case::around(PaddingConfig2d::Explicit(1, 1, 1, 1))]
#[case::uneven(PaddingConfig2d::Explicit(2, 0, 1, 3))]
fn images(
    #[case] padding: PaddingConfig2d,
    #[values([1, 1], [2, 1], [3, 2])] stride: [usize; 2],
    #[values([1, 1], [1, 2])] dilation: [usize; 2],
) {
    let make = |device: &Device| {
        Conv2dConfig::new([2, 3], [3, 2])
            .with_stride(stride)
            .with_dilation(dilation)
            .with_padding(padding.clone())
            .init(device)
    };
    for degrees in [[1, 1, 2, 1], [1, 1, 3, 2], [2, 1, 1, 3], [1, 2, 2, 2]] {
        check(make, &[split(degrees)], &[2, 2, 9, 8]);
    }
    check(make, &[split([1, 1, 7, 1])], &[1, 2, 6, 7]);
}

#[test]
fn a_part_that_lies_in_the_padding_alone() {
    let make = |device: &Device| {
        Conv2dConfig::new([1, 2], [2, 1])
            .with_padding(PaddingConfig2d::Explicit(4, 0, 3, 0))
            .init(device)
    };
    check(make, &[split([1, 1, 4, 1])], &[1, 1, 2, 3]);
}

#[test]
fn several_convolutions_in_a_row() {
    let conv = |inputs, outputs, stride, device: &Device| {
        Conv2dConfig::new([inputs, outputs], [3, 3])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init(device)
    };
    let make = |device: &Device| {
        (
            conv(1, 2, 1, device),
            conv(2, 3, 2, device),
            conv(3, 2, 1, device),
        )
    };
    let degrees = [[1, 1, 4, 1], [1, 1, 3, 1], [1, 1, 1, 2]];
    check(make, &degrees.map(split), &[2, 1, 11, 9]);
    let degrees = [[2, 1, 2, 1], [1, 1, 2, 2], [1, 2, 2, 1]];
    check(make, &degrees.map(split), &[3, 1, 7, 8]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn signals_of_any_kind(
        kernel in 1..4usize,
        stride in 1..4usize,
        dilation in 1..3usize,
        padding in prop_oneof![
            Just(PaddingConfig1d::Valid),
            Just(PaddingConfig1d::Same),
            (0..3usize, 0..3usize).prop_map(|(left, right)| PaddingConfig1d::Explicit(left, right)),
        ],
        length in 6..14usize,
        degree in 1..6usize,
    ) {
        let _generator = generator();
        let make = |device: &Device| {
            Conv1dConfig::new(2, 2, kernel)
                .with_stride(stride)
                .with_dilation(dilation)
                .with_padding(padding.clone())
                .init(device)
        };
        check(make, &[split([1, 1, 1, degree])], &[2, 2, length]);
    }
}
