//! Batch norm, by every axis: one mean and one variance for all parts.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Relu};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Ranked, Sequential, ranked, shard};
use burn_pipeline_tests::compare::{assert_close, values};
use burn_pipeline_tests::data::{filled, floats};
use burn_pipeline_tests::devices::two_devices;
use rstest::rstest;

use super::support::{TOLERANCE, check, places, split};

type Normed = (Conv2d, Ranked<BatchNorm, 4>, Ranked<Relu, 4>, Conv2d);

fn normed(device: &Device) -> Normed {
    (
        // What a bias adds, the norm takes away: its gradient would be rounding alone.
        Conv2dConfig::new([2, 4], [2, 2])
            .with_bias(false)
            .init(device),
        ranked(BatchNormConfig::new(4).init(device)),
        ranked(Relu::new()),
        Conv2dConfig::new([4, 2], [2, 2]).init(device),
    )
}

#[rstest]
#[case([2, 1, 1, 1])]
#[case([4, 1, 1, 1])]
#[case([1, 2, 1, 1])]
#[case([1, 1, 2, 1])]
#[case([1, 1, 2, 2])]
#[case([2, 2, 2, 1])]
#[case([1, 4, 1, 2])]
fn images(#[case] degrees: [usize; 4]) {
    let whole = [1, 1, 1, 1];
    check(
        normed,
        &[whole, degrees, whole, whole].map(split),
        &[3, 2, 6, 5],
    );
    check(
        normed,
        &[degrees; 4].map(|it| split([it[0], it[1].min(2), it[2], it[3]])),
        &[3, 2, 6, 5],
    );
}

#[test]
fn features_and_signals() {
    let features =
        |device: &Device| -> Ranked<BatchNorm, 2> { ranked(BatchNormConfig::new(5).init(device)) };
    check(features, &[split([2, 2, 1, 1])], &[7, 5]);
    let signals =
        |device: &Device| -> Ranked<BatchNorm, 3> { ranked(BatchNormConfig::new(5).init(device)) };
    check(signals, &[split([1, 2, 1, 3])], &[2, 5, 8]);
}

#[test]
fn a_frozen_norm_uses_its_running_statistics() {
    let frozen = |device: &Device| -> Ranked<BatchNorm, 4> {
        let norm: BatchNorm = filled(BatchNormConfig::new(4).init(device));
        ranked(norm.freeze())
    };
    let [device, _] = two_devices();
    let model = frozen(&device.clone().autodiff());
    let input = floats([3, 4, 5, 2], 1, &device).autodiff();
    let expected = values(model.forward(input.clone()).into_data());
    for degrees in [[3, 1, 1, 1], [1, 3, 1, 1], [1, 2, 2, 1]] {
        let sharded = shard(model.clone(), &[split(degrees)], &places(4)).unwrap();
        let output = sharded.forward(input.clone());
        assert_close("output", &values(output.into_data()), &expected, TOLERANCE);
    }
}

#[test]
fn statistics_that_training_has_moved_serve_in_evaluation() {
    let [device, _] = two_devices();
    let batch = |salt| floats([5, 2, 6, 5], salt, &device);
    let plain = filled(normed(&device.clone().autodiff()));
    let degrees = [[1, 1, 2, 1], [2, 2, 1, 1], [1, 2, 1, 2], [2, 1, 1, 1]];
    let model = filled(normed(&device.clone().autodiff()));
    let sharded = shard(model, &degrees.map(split), &places(4)).unwrap();
    for salt in 0..3 {
        let _: Tensor<4> = plain.forward_layers(batch(salt).autodiff());
        let _: Tensor<4> = sharded.forward(batch(salt).autodiff());
    }
    let expected = values(plain.valid().forward_layers(batch(7)).into_data());
    let output = values(sharded.valid().forward(batch(7)).into_data());
    assert_close("in parts", &output, &expected, TOLERANCE);
    let whole = sharded.into_inner().valid();
    let output = values(whole.forward_layers(batch(7)).into_data());
    assert_close("together again", &output, &expected, TOLERANCE);
}
