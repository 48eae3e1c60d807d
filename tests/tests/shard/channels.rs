//! Layers whose parameters are cut by channel.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::activation::Tanh;
use burn::nn::conv::{
    Conv1dConfig, Conv2d, Conv2dConfig, Conv3dConfig, ConvTranspose1dConfig, ConvTranspose2dConfig,
};
use burn::nn::{
    EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, LinearLayout,
    PaddingConfig2d, Relu,
};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Axis, Configuration, Layer, Lift, Ranked, Shape, layer_kinds, lift, ranked, shard,
};
use burn_pipeline_tests::data::filled;
use rstest::rstest;

use super::support::{check, places, split};

fn linear<const D: usize>(inputs: usize, outputs: usize, device: &Device) -> Ranked<Linear, D> {
    ranked(LinearConfig::new(inputs, outputs).init(device))
}

#[rstest]
#[case([2, 1, 1, 1], [1, 2, 1, 1], [2, 1, 1, 1])]
#[case([1, 3, 1, 1], [1, 2, 1, 1], [1, 2, 1, 1])]
#[case([2, 2, 1, 1], [4, 1, 1, 1], [1, 3, 1, 1])]
#[case([1, 1, 1, 1], [2, 2, 1, 1], [2, 2, 1, 1])]
fn fully_connected_layers(#[case] a: [usize; 4], #[case] b: [usize; 4], #[case] c: [usize; 4]) {
    let make = |device: &Device| {
        (
            linear::<2>(5, 7, device),
            ranked::<Relu, 2>(Relu::new()),
            linear::<2>(7, 3, device),
        )
    };
    check(make, &[a, b, c].map(split), &[5, 5]);
    check(make, &[a, b, c].map(split), &[1, 5]);
}

#[rstest]
#[case([2, 1, 1, 1], [1, 2, 2, 1], [1, 1, 3, 1])]
#[case([1, 1, 4, 1], [1, 4, 1, 1], [2, 1, 2, 1])]
#[case([1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 2, 1])]
fn layers_over_sequences(#[case] a: [usize; 4], #[case] b: [usize; 4], #[case] c: [usize; 4]) {
    let make = |device: &Device| -> (_, _, Ranked<LayerNorm, 3>, _) {
        (
            linear::<3>(4, 6, device),
            ranked::<Tanh, 3>(Tanh::new()),
            ranked(LayerNormConfig::new(6).init(device)),
            linear::<3>(6, 5, device),
        )
    };
    check(make, &[a, b, c, a].map(split), &[3, 5, 4]);
}

#[rstest]
#[case([1, 1, 2, 2])]
#[case([2, 2, 1, 2])]
#[case([1, 3, 2, 1])]
fn layers_over_grids(#[case] degrees: [usize; 4]) {
    let make = |device: &Device| (linear::<4>(4, 6, device), ranked::<Relu, 4>(Relu::new()));
    check(make, &[degrees; 2].map(split), &[2, 3, 5, 4]);
}

#[rstest]
#[case([1, 1, 1, 1])]
#[case([3, 1, 1, 1])]
#[case([1, 3, 1, 1])]
#[case([2, 2, 2, 1])]
fn an_embedding(#[case] degrees: [usize; 4]) {
    let make = |device: &Device| {
        (
            EmbeddingConfig::new(7, 5).init(device),
            linear::<3>(5, 2, device),
        )
    };
    check(make, &[split(degrees), split([1, 2, 1, 1])], &[4, 3]);
}

#[test]
fn a_lifted_linear_layer_behind_an_image() {
    let make = |device: &Device| -> (Conv2d, Lift<Linear, Tensor<4>, Tensor<2>>) {
        (
            Conv2dConfig::new([2, 3], [2, 2]).init(device),
            lift(
                LinearConfig::new(3 * 3 * 2, 5).init(device),
                |linear, image| linear.forward(image.flatten::<2>(1, 3)),
            ),
        )
    };
    for degrees in [[1, 2, 1, 1], [2, 2, 1, 1], [1, 4, 1, 1], [3, 1, 1, 1]] {
        check(make, &[split([1, 1, 2, 2]), split(degrees)], &[3, 2, 4, 3]);
    }
}

type Lifted = Lift<Linear, Tensor<2>, Tensor<2>>;
type Function = fn(&Linear, Tensor<2>) -> Tensor<2>;

fn soft(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    softmax(linear.forward(input), 1)
}

fn centred(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    let output = linear.forward(input);
    output.clone() - output.mean_dim(1)
}

fn rms_normed(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    let output = linear.forward(input);
    output.clone() / (output.powi_scalar(2).mean_dim(1) + 1e-6).sqrt()
}

fn over_the_largest(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    let output = linear.forward(input);
    output.clone() / (output.abs().max_dim(1) + 1e-6)
}

fn below_the_largest(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    let output = linear.forward(input);
    output.clone() - output.max_dim(1)
}

fn added_up(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    linear.forward(input).cumsum(1)
}

fn the_other_way_round(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    linear.forward(input).flip([1])
}

fn cut_off(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    relu(linear.forward(input) - 1e3)
}

fn cut_and_root(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    relu(linear.forward(input)).sqrt()
}

/// Channels that were told apart from copies of themselves alone let through whatever only knows
/// their mean, their norm or their maximum.
#[rstest]
#[case::softmax(soft)]
#[case::mean(centred)]
#[case::norm(rms_normed)]
#[case::largest(over_the_largest)]
#[case::maximum(below_the_largest)]
#[case::sums_of_those_before(added_up)]
#[case::order(the_other_way_round)]
fn a_lifted_function_that_mixes_channels_is_found_out(
    #[case] function: Function,
    #[values(1, 2, 4)] degree: usize,
    #[values(0.0, 1.0)] weights: f32,
    #[values(0.0, 1.0)] first_sample: f32,
) {
    let device = Device::flex();
    let mut linear = filled(LinearConfig::new(3, 4).init(&device));
    linear.weight = linear.weight.map(|it| it * weights);
    let layer: Lifted = lift(linear, function);
    let input = Tensor::<2>::from_floats([[0.5, -0.25, 2.0], [1.0, 0.5, -0.5]], &device);
    let first = input.clone().narrow(0, 0, 1) * first_sample;
    let input = Tensor::cat(vec![first, input.narrow(0, 1, 1)], 0);
    let axes = &layer_kinds(&layer, input.clone())[0].splits;
    assert_eq!(*axes, [Axis::Sample]);

    let sharded = shard(layer, &[Configuration::by_channel(degree)], &places(4)).unwrap();
    let run = AssertUnwindSafe(|| sharded.forward(input));
    let Err(panic) = catch_unwind(run) else {
        assert_eq!(degree, 1);
        return;
    };
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("its function mixes the channels of its output"),
        "{message}"
    );
}

#[rstest]
#[case::zeros(cut_off)]
#[case::some_zeros(cut_and_root)]
fn zeros_do_not_say_that_channels_are_mixed(#[case] function: Function) {
    let make = |device: &Device| -> Lifted { lift(LinearConfig::new(3, 4).init(device), function) };
    check(make, &[split([1, 2, 1, 1])], &[3, 3]);
}

#[test]
fn one_number_a_sample_is_split_by_sample() {
    let make = |device: &Device| -> (Lift<Linear, Tensor<2>, Tensor<1>>, Ranked<Tanh, 1>, _) {
        let sums: fn(&Linear, Tensor<1>) -> Tensor<1> = |_, input| input * 2.0;
        (
            lift(LinearConfig::new(3, 1).init(device), |linear, input| {
                linear.forward(input).squeeze_dim::<1>(1)
            }),
            ranked(Tanh::new()),
            lift(LinearConfig::new(1, 1).init(device), sums),
        )
    };
    for degrees in [[2, 3, 1], [3, 1, 2], [4, 4, 4]] {
        check(make, &degrees.map(Configuration::by_sample), &[5, 3]);
    }

    let device = Device::flex();
    let layers = layer_kinds(&make(&device), Tensor::ones([5, 3], &device));
    for layer in layers {
        assert_eq!(layer.shape, Shape([5, 1, 1, 1]), "{}", layer.name);
        assert_eq!(layer.splits, [Axis::Sample], "{}", layer.name);
    }
}

#[test]
fn a_model_that_ends_in_one_number_a_sample_is_split_by_sample() {
    let make = |device: &Device| -> (_, Lift<LayerNorm, Tensor<2>, Tensor<1>>, Ranked<Relu, 1>) {
        (
            linear::<2>(3, 4, device),
            lift(LayerNormConfig::new(4).init(device), |norm, input| {
                norm.forward(input).narrow(1, 0, 1).squeeze_dim::<1>(1)
            }),
            ranked(Relu::new()),
        )
    };
    check(make, &[2, 2, 3].map(Configuration::by_sample), &[5, 3]);
}

#[test]
fn a_linear_layer_whose_weights_are_kept_by_columns() {
    let make = |device: &Device| -> Ranked<Linear, 2> {
        let config = LinearConfig::new(4, 6).with_layout(LinearLayout::Col);
        ranked(config.with_bias(false).init(device))
    };
    check(make, &[split([1, 4, 1, 1])], &[3, 4]);
}

#[rstest]
#[case::whole(1, 6, 5)]
#[case::in_groups(2, 6, 8)]
#[case::in_more_groups(4, 4, 8)]
#[case::depthwise(6, 6, 6)]
fn convolutions(#[case] groups: usize, #[case] inputs: usize, #[case] outputs: usize) {
    let inputs = inputs / groups * groups;
    let make = |device: &Device| {
        let config = Conv2dConfig::new([inputs, outputs], [3, 2]).with_groups(groups);
        let padding = PaddingConfig2d::Explicit(1, 0, 1, 1);
        config.with_padding(padding).init(device)
    };
    for degrees in [[1, 2, 1, 1], [2, 2, 1, 1], [1, 2, 2, 1]] {
        check(make, &[split(degrees)], &[3, inputs, 5, 4]);
    }
    let degree = match groups {
        1 => 5,
        _ => groups,
    };
    check(make, &[split([1, degree, 1, 1])], &[2, inputs, 5, 4]);
}

#[test]
fn convolutions_over_signals_and_volumes() {
    let signals = |device: &Device| Conv1dConfig::new(3, 5, 3).init(device);
    check(signals, &[split([1, 3, 1, 2])], &[2, 3, 7]);
    let volumes = |device: &Device| Conv3dConfig::new([2, 3], [2, 2, 2]).init(device);
    check(volumes, &[split([2, 2, 1, 1])], &[3, 2, 3, 4, 3]);
}

#[test]
fn transposed_convolutions() {
    let signals = |device: &Device| ConvTranspose1dConfig::new([3, 5], 3).init(device);
    check(signals, &[split([1, 3, 1, 1])], &[2, 3, 4]);
    let images = |device: &Device| {
        let config = ConvTranspose2dConfig::new([3, 4], [3, 2]);
        config.with_stride([2, 2]).init(device)
    };
    check(images, &[split([2, 2, 1, 1])], &[3, 3, 4, 2]);
}

#[test]
fn every_piece_is_a_part_and_nothing_whole_is_left() {
    let make = |device: &Device| (linear::<2>(5, 7, device), linear::<2>(7, 4, device));
    let sharded = check(make, &[[1, 3, 1, 1], [1, 2, 1, 1]].map(split), &[2, 5]);
    let mut shapes = Shapes::default();
    sharded.visit(&mut shapes);
    let named = |(path, shape): &(String, Vec<usize>)| format!("{path} {shape:?}");
    let found: Vec<_> = shapes.found.iter().map(named).collect();
    assert_eq!(
        found,
        [
            "0.0.weight [5, 2]",
            "0.0.bias [2]",
            "0.1.weight [5, 2]",
            "0.1.bias [2]",
            "0.2.weight [5, 3]",
            "0.2.bias [3]",
            "1.0.weight [7, 2]",
            "1.0.bias [2]",
            "1.1.weight [7, 2]",
            "1.1.bias [2]",
        ]
    );
    let [one, other] = burn_pipeline_tests::devices::two_devices();
    let on = [
        &one, &one, &other, &other, &one, &one, &one, &one, &other, &other,
    ];
    assert!(shapes.devices.iter().eq(on));
}

#[derive(Default)]
struct Shapes {
    path: Vec<String>,
    found: Vec<(String, Vec<usize>)>,
    devices: Vec<Device>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found
            .push((self.path.join("."), param.dims().to_vec()));
        self.devices.push(param.device());
    }
}
