//! What moves between two layers is what is missing, to the byte.

use burn::nn::attention::MultiHeadAttentionConfig;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, Relu};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Configuration, Layer, Ranked, Reads, Shape, layer_kinds, ranked, shard};
use burn_pipeline_tests::data::floats;
use proptest::prelude::*;
use rstest::rstest;

use super::support::{places, split};

const MAX_PARTS: usize = 8;

/// The elements that parts of a layer are missing of the output of the layer before.
fn missing(
    (from, to): (Configuration, Configuration),
    (reads, input, output): (&Reads, &Shape, &Shape),
) -> u64 {
    let part = |at| {
        let required = reads.region(&to.part(at, output), input);
        let there = match at < from.num_parts() {
            true => required.intersection(&from.part(at, input)).num_elements(),
            false => 0,
        };
        required.num_elements() - there
    };
    (0..to.num_parts()).map(part).sum()
}

fn configuration() -> impl Strategy<Value = Configuration> {
    prop::array::uniform4(1..5usize)
        .prop_map(split)
        .prop_filter("too many parts", |it| it.num_parts() <= MAX_PARTS)
}

/// Each channel's piece is copied to all but one of the parts that use it.
fn bytes_of_copies(configuration: &Configuration, bytes: u64) -> u64 {
    let replicas = configuration.num_parts() / configuration.channel;
    (replicas as u64 - 1) * bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn between_activations(
        from in configuration(),
        to in configuration(),
        sizes in prop::array::uniform4(4..7usize),
    ) {
        let device = Device::flex();
        let relu = || -> Ranked<Relu, 4> { ranked(Relu::new()) };
        let model = (relu(), relu());
        let sharded = shard(model, &[from, to], &places(MAX_PARTS)).unwrap();
        let input = floats(sizes, 1, &device);
        let output = sharded.forward(input.clone());
        output.into_data().assert_eq(&input.clamp_min(0.0).into_data(), true);

        let shape = Shape(sizes);
        let moved = sharded.bytes_moved();
        let predicted = 4 * missing((from, to), (&Reads::SAME, &shape, &shape));
        prop_assert_eq!(moved.signals.forward, predicted);
        prop_assert_eq!(moved.signals.backward, 0);
        let first = missing((Configuration::WHOLE, from), (&Reads::SAME, &shape, &shape));
        prop_assert_eq!(moved.input.forward, 4 * first);
        let last = missing((to, Configuration::WHOLE), (&Reads::SAME, &shape, &shape));
        prop_assert_eq!(moved.output.forward, 4 * last);
    }

    #[test]
    fn between_convolutions_with_halos_and_copies(
        from in configuration(),
        to in configuration(),
        height in 6..10usize,
        stride in 1..3usize,
    ) {
        let device = Device::flex().autodiff();
        let model: (Conv2d, Conv2d) = (
            Conv2dConfig::new([2, 4], [1, 1]).init(&device),
            Conv2dConfig::new([4, 5], [3, 2]).with_stride([stride, 1]).init(&device),
        );
        let input = floats([4, 2, height, 6], 1, &device);
        let layers = layer_kinds(&model, input.clone());
        let (whole, last) = (layers[0].shape, &layers[1]);
        prop_assert_eq!(whole, Shape([4, 4, height, 6]));
        prop_assume!(to.degrees().iter().zip(last.shape.0).all(|(degree, size)| *degree <= size));

        let sharded = shard(model, &[from, to], &places(MAX_PARTS)).unwrap();
        sharded.forward(input).mean().backward();
        let moved = sharded.bytes_moved();
        let predicted = 4 * missing((from, to), (&last.reads, &whole, &last.shape));
        prop_assert_eq!(moved.signals.forward, predicted);
        prop_assert_eq!(moved.signals.backward, predicted);
        let copies = bytes_of_copies(&from, layers[0].parameter_bytes)
            + bytes_of_copies(&to, last.parameter_bytes);
        prop_assert_eq!(moved.parameters.total(), 2 * copies);
    }
}

#[test]
fn between_a_layer_by_channel_and_one_by_sample() {
    let device = Device::flex().autodiff();
    let linear = |inputs, outputs| -> Ranked<Linear, 2> {
        ranked(LinearConfig::new(inputs, outputs).init(&device))
    };
    let configurations = [split([1, 2, 1, 1]), split([2, 1, 1, 1])];
    let sharded = shard((linear(3, 6), linear(6, 4)), &configurations, &places(2)).unwrap();
    let input: Tensor<2> = floats([8, 3], 1, &Device::flex());
    sharded.forward(input).sum().backward();

    let moved = sharded.bytes_moved();
    // The second part of the first layer needs all of the input.
    assert_eq!(moved.input.forward, 8 * 3 * 4);
    assert_eq!(moved.input.backward, 0);
    // Each part of the second layer has half of the channels of its samples.
    assert_eq!(moved.signals.forward, 2 * 4 * 3 * 4);
    assert_eq!(moved.signals.backward, moved.signals.forward);
    // Only the second layer is copied.
    assert_eq!(moved.parameters.forward, (6 * 4 + 4) * 4);
    assert_eq!(moved.parameters.backward, moved.parameters.forward);
    assert_eq!(moved.output.forward, 4 * 4 * 4);
    let clone = sharded.clone();
    assert_eq!(clone.bytes_moved().total(), moved.total());
}

/// Every part took all channels, and threw away those of the other groups.
#[rstest]
#[case::as_many([6, 6], 3, 0)]
#[case::depthwise([6, 6], 6, 0)]
#[case::a_multiple([12, 6], 3, 0)]
#[case::one_output_each([6, 3], 3, 0)]
#[case::fewer_inputs_than_outputs([6, 12], 3, 3 * (6 - 2))]
#[case::without_groups([6, 6], 1, 3 * (6 - 2))]
fn a_convolution_in_groups_reads_the_channels_of_its_groups(
    #[case] channels: [usize; 2],
    #[case] groups: usize,
    #[case] missing: u64,
) {
    let device = Device::flex();
    let config = Conv2dConfig::new(channels, [1, 1]).with_groups(groups);
    let model: (Ranked<Relu, 4>, Conv2d) = (ranked(Relu::new()), config.init(&device));
    let by_channel = split([1, 3, 1, 1]);
    let sharded = shard(model, &[by_channel; 2], &places(3)).unwrap();
    sharded.forward(floats([4, channels[0], 2, 5], 1, &device));
    let moved = sharded.bytes_moved().signals.forward;
    assert_eq!(moved, 4 * 4 * 2 * 5 * missing);
}

#[test]
fn within_a_batch_norm_the_parts_exchange_two_numbers_a_channel() {
    let device = Device::flex().autodiff();
    let norm: Ranked<BatchNorm, 4> = ranked(BatchNormConfig::new(6).init(&device));
    let sharded = shard(norm, &[split([2, 2, 2, 1])], &places(8)).unwrap();
    sharded.forward(floats([4, 6, 4, 3], 1, &device).require_grad());
    // Of four parts with the same three channels, three tell the fourth, and it tells them.
    let moved = sharded.bytes_moved().within;
    assert_eq!(moved.forward, 2 * (3 + 3) * (2 * 3 * 4));
    assert_eq!(moved.backward, moved.forward);
}

#[test]
fn within_attention_the_parts_exchange_what_their_heads_find() {
    let device = Device::flex();
    let attention = MultiHeadAttentionConfig::new(6, 3).init(&device);
    let sharded = shard(attention, &[split([2, 3, 1, 1])], &places(6)).unwrap();
    sharded.forward(floats([4, 5, 6], 1, &device));
    // Each of three parts has a third, and gets the other two.
    let moved = sharded.bytes_moved().within;
    assert_eq!(moved.forward, 2 * (4 * 5 * 6) * 4);
    assert_eq!(moved.backward, 0);
}
