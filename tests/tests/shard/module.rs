//! A sharded model as the Burn module that it was.

use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig, Relu};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Configuration, Layer, PipelineConfig, Placement, Ranked, Rematerialization, Sequential, Shape,
    layer_kinds, ranked, shard,
};
use burn_pipeline_tests::compare::{Step, assert_close, ids, parameters, values};
use burn_pipeline_tests::data::{filled, floats};
use burn_pipeline_tests::models::{Convolution, Toy, Transformer};

use super::support::{places, split};

fn by_two(num_layers: usize) -> Vec<Configuration> {
    vec![Configuration::by_sample(2); num_layers]
}

#[test]
fn layers_that_are_not_cut_keep_their_paths_and_ids() {
    let model = Convolution::model(&Device::flex().autodiff());
    let (names, before) = (ids(&model), parameters(&model));
    let sharded = shard(model, &by_two(8), &places(2)).unwrap();
    assert_eq!(ids(&sharded), names);
    assert_eq!(parameters(&sharded), before);
    assert_eq!(
        sharded.num_params(),
        before.values().map(Vec::len).sum::<usize>()
    );
}

#[test]
fn a_record_of_a_model_in_parts_loads_into_one() {
    let device = Device::flex();
    let mut configurations = by_two(8);
    configurations[0] = split([1, 2, 1, 1]);
    configurations[1] = split([1, 2, 1, 1]);
    let make = |model| shard(model, &configurations, &places(2)).unwrap();
    let one = make(Convolution::model(&device));
    let other = make(burn_pipeline_tests::models::convolution(&device));
    let before = parameters(&one);
    assert_ne!(parameters(&other), before);
    let other = other.load_record(one.into_record());
    assert_eq!(parameters(&other), before);
}

#[test]
fn it_stays_on_its_devices() {
    let devices = places(2);
    let mut configurations = by_two(8);
    configurations[0] = split([1, 2, 1, 1]);
    let model = Convolution::model(&Device::flex());
    let sharded = shard(model, &configurations, &devices).unwrap();
    let before = sharded.devices().to_vec();
    let on = Module::devices(&sharded);
    for moved in [
        sharded.clone().to_device(&devices[1]),
        sharded.clone().fork(&devices[1]),
    ] {
        assert_eq!(Module::devices(&moved), on);
        assert_eq!(moved.devices(), before);
        assert_eq!(parameters(&moved), parameters(&sharded));
    }
}

#[test]
fn what_is_frozen_stays_frozen_together() {
    let model = Convolution::model(&Device::flex().autodiff());
    let configurations = [Configuration::by_channel(2); 8];
    let sharded = shard(model, &configurations, &places(2)).unwrap();
    let sharded = sharded.freeze_group(ParamGroup::from_predicate("head."));
    let (input, target) = Convolution::batch(3, &Device::flex().autodiff());
    let loss = Convolution::loss(sharded.forward(input), target);
    let gradients = GradientsParams::from_grads(loss.backward(), &sharded);
    // Two convolutions, each with weight and bias, and two norms, in two pieces each.
    assert_eq!(gradients.len(), 2 * (2 * 2 + 2 * 2));

    let whole = sharded.into_inner();
    let (input, target) = Convolution::batch(3, &Device::flex().autodiff());
    let loss = Convolution::loss(whole.forward_layers(input), target);
    let gradients = GradientsParams::from_grads(loss.backward(), &whole);
    assert_eq!(gradients.len(), 2 * 2 + 2 * 2);
}

#[test]
fn a_model_of_layers_of_its_own_is_split_by_sample() {
    let device = Device::flex();
    let model = Transformer::model(&device);
    let num_layers = model.num_layers();
    let (input, _) = Transformer::batch(5, &device);
    let expected = values(model.forward_layers(input.clone()).into_data());
    for num_parts in [1, 2, 3, 7] {
        let configurations = vec![Configuration::by_sample(num_parts); num_layers];
        let sharded = shard(model.clone(), &configurations, &places(7)).unwrap();
        let output = values(sharded.forward(input.clone()).into_data());
        assert_close("output", &output, &expected, 1e-5);
    }
}

#[test]
fn it_is_a_stage_of_a_pipeline() {
    let device = Device::flex();
    let linear = |inputs, outputs| -> Ranked<Linear, 2> {
        ranked(LinearConfig::new(inputs, outputs).init(&device))
    };
    let first = || filled((linear(5, 7), ranked::<Relu, 2>(Relu::new()), linear(7, 4)));
    let last = || filled(linear(4, 3));
    let (input, target) = (floats([6, 5], 1, &device), floats([6, 3], 2, &device));
    let loss = |output: Tensor<2>, target: Tensor<2>| (output - target).powi_scalar(2).mean();

    let plain = (first(), last()).train();
    let expected = loss(
        plain.forward_layers(input.clone().autodiff()),
        target.clone().autodiff(),
    );
    let mut gradients = expected.backward();
    let gradients = GradientsParams::from_module(&mut gradients, &plain);
    let expected = Step::new(expected, &gradients, &plain);

    let by_sample = Configuration::by_sample(2);
    let configurations = [by_sample, Configuration::by_sample(3), by_sample];
    let sharded = shard(first(), &configurations, &vec![device.clone(); 3]).unwrap();
    let placement = Placement::from_counts(&vec![device.clone(); 2], &[1, 1]);
    for rematerialization in [Rematerialization::Never, Rematerialization::Always] {
        let config = PipelineConfig::new()
            .with_num_micro_batches(2)
            .with_rematerialization(rematerialization);
        let model = (sharded.clone(), last());
        let pipeline = config.init(model, placement.clone()).unwrap();
        let step = pipeline.train_step(input.clone(), target.clone(), loss);
        let step = step.unwrap();
        Step::new(step.loss, &step.grads, &pipeline).assert_close(&expected, 1e-5);
    }
}

#[test]
fn layers_are_described_for_a_planner() {
    let device = Device::flex();
    let model = filled(Convolution::model(&device));
    let (input, _): (Tensor<4>, _) = Convolution::batch(6, &device);
    let layers = layer_kinds(&model, input);
    let of = |layer: &burn_pipeline::LayerDescription| {
        let splits: Vec<_> = layer.splits.iter().map(ToString::to_string).collect();
        format!(
            "{} {:?} {} {} {:?}",
            layer.name,
            layer.shape.0,
            layer.parameter_bytes,
            splits.join(" "),
            layer.max_channel_degree
        )
    };
    let found: Vec<_> = layers.iter().map(of).collect();
    assert_eq!(
        found,
        [
            "blocks.0.0 [6, 4, 5, 5] 304 sample channel height width Some(4)",
            "blocks.0.1 [6, 4, 5, 5] 32 sample channel height width Some(4)",
            "blocks.0.2 [6, 4, 5, 5] 0 sample channel height width None",
            "blocks.1.0 [6, 4, 5, 5] 592 sample channel height width Some(4)",
            "blocks.1.1 [6, 4, 5, 5] 32 sample channel height width Some(4)",
            "blocks.1.2 [6, 4, 5, 5] 0 sample channel height width None",
            "pool [6, 4, 2, 2] 0 sample channel None",
            "head [6, 3, 1, 1] 204 sample channel Some(3)",
        ]
    );
    assert_eq!(layers[7].input, Shape([6, 16, 1, 1]));
}
