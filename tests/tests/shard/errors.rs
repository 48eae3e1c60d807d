//! What cannot be split, and what the error says to do.

use burn::nn::conv::Conv2dConfig;
use burn::nn::{BatchNormConfig, LinearConfig};
use burn::tensor::Device;
use burn_pipeline::{
    Configuration, Dropout, DropoutConfig, Ranked, Sequential, ShardError, lift, ranked, shard,
};
use burn_pipeline_tests::models::{Convolution, Toy};
use rstest::rstest;

use super::support::{places, split};

fn refused<S: Sequential + 'static>(
    model: S,
    configurations: &[Configuration],
    num_devices: usize,
) -> String {
    let error: ShardError = shard(model, configurations, &places(num_devices)).unwrap_err();
    error.to_string()
}

#[test]
fn a_configuration_for_each_layer() {
    let model = Convolution::model(&Device::flex());
    assert_eq!(
        refused(model, &[Configuration::WHOLE; 7], 2),
        "the model has 8 layers, but there are 7 configurations: give one for each layer"
    );
}

#[rstest]
#[case(1, [1, 1, 0, 1], "layer 1 `blocks.0.1` is split into no parts")]
#[case(0, [2, 2, 1, 1], "layer 0 `blocks.0.0` is split into 4 parts (n2 c2), but there are 3 devices")]
#[case(6, [1, 1, 2, 1], "layer 6 `pool` cannot be split into 2 parts by height: it can be by sample and channel")]
#[case(7, [1, 1, 1, 2], "layer 7 `head` cannot be split into 2 parts by width: it can be by sample and channel")]
fn a_fault_is_told_with_its_layer(
    #[case] layer: usize,
    #[case] degrees: [usize; 4],
    #[case] expected: &str,
) {
    let mut configurations = [Configuration::WHOLE; 8];
    configurations[layer] = split(degrees);
    let model = Convolution::model(&Device::flex());
    let message = refused(model, &configurations, 3);
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn no_more_parts_than_channels() {
    let conv = Conv2dConfig::new([3, 2], [1, 1]).init(&Device::flex());
    assert_eq!(
        refused(conv, &[split([1, 3, 1, 1])], 3),
        "layer 0 `` cannot be split into 3 parts by channel: it has 2 channels, so take no more than that"
    );
    let grouped = Conv2dConfig::new([4, 8], [1, 1]).with_groups(4);
    assert_eq!(
        refused(grouped.init(&Device::flex()), &[split([1, 3, 1, 1])], 3),
        "layer 0 `` cannot be split into 3 parts by channel: it has 4 groups, so take a divisor of that"
    );
}

#[test]
fn dropout_is_split_by_sample_alone() {
    let dropout: Ranked<Dropout, 2> = ranked(DropoutConfig::new(0.5).init());
    assert_eq!(
        refused(dropout, &[split([1, 2, 1, 1])], 2),
        "layer 0 `` cannot be split into 2 parts by channel: it can be by sample alone"
    );
}

#[test]
fn a_layer_with_a_batch_norm_inside_stays_whole() {
    let norm = BatchNormConfig::new(3).init(&Device::flex());
    let layer = lift(norm, burn::nn::BatchNorm::forward::<2>);
    let message = refused(layer, &[split([2, 1, 1, 1])], 2);
    assert!(
        message.contains("a batch norm inside, so it must stay whole"),
        "{message}"
    );
}

#[test]
fn layers_that_share_a_parameter_are_refused() {
    let linear: Ranked<burn::nn::Linear, 2> = ranked(LinearConfig::new(3, 3).init(&Device::flex()));
    let twice = vec![linear.clone(), linear];
    let message = refused(twice, &[Configuration::WHOLE; 2], 1);
    assert!(
        message.starts_with("layers 0 and 1 `1` hold the same parameter"),
        "{message}"
    );
}
