//! What a graph says that a model moves, it moves.

use burn::module::Module;
use burn::nn::{
    Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, Relu,
};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{
    Cluster, Configuration, DeviceSpec, Layer, Layerwise, Lift, Link, Profiler, Ranked,
    Synchronization, layer_graph, layer_kinds, lift, ranked, shard,
};
use burn_pipeline_tests::data::{filled, ints};
use rstest::rstest;

use super::support::{places, split};

const NUM_LAYERS: usize = 6;

type Words = (
    Embedding,
    Ranked<LayerNorm, 3>,
    Ranked<Linear, 3>,
    Ranked<Relu, 3>,
    Lift<Linear, Tensor<3>, Tensor<2>>,
    Ranked<Linear, 2>,
);

/// A model whose layers train as far as `trains` says.
fn words(trains: [bool; NUM_LAYERS], device: &Device) -> Words {
    fn frozen<M: Module>(trains: bool, layer: M) -> M {
        match trains {
            true => layer,
            false => layer.freeze(),
        }
    }
    let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
    let flat: fn(&Linear, Tensor<3>) -> Tensor<2> =
        |linear, sequence| linear.forward(sequence.flatten(1, 2));
    let model = filled((
        EmbeddingConfig::new(9, 6).init(device),
        ranked(LayerNormConfig::new(6).init(device)),
        ranked(linear(6, 8)),
        ranked(Relu::new()),
        lift(linear(4 * 8, 6), flat),
        ranked(linear(6, 4)),
    ));
    (
        frozen(trains[0], model.0),
        frozen(trains[1], model.1),
        frozen(trains[2], model.2),
        model.3,
        frozen(trains[4], model.4),
        frozen(trains[5], model.5),
    )
}

fn tokens(device: &Device) -> Tensor<2, Int> {
    ints([8, 4], 9, 1, device)
}

/// Layers that do not train were planned as if they did, signals without a gradient as if one went
/// back, and every element as one of four bytes.
#[rstest]
fn a_step_moves_what_its_price_says(
    #[values(
        [true; 6],
        [false, true, true, true, true, true],
        [false, false, true, true, false, true],
        [true, true, false, true, true, false],
        [false; 6]
    )]
    trains: [bool; NUM_LAYERS],
    #[values(
        [[4, 1, 1, 1]; 6],
        [[1, 2, 1, 1], [1, 1, 2, 1], [1, 4, 1, 1], [1, 2, 2, 1], [1, 2, 1, 1], [1, 4, 1, 1]],
        [[1, 1, 4, 1], [2, 1, 2, 1], [2, 2, 1, 1], [4, 1, 1, 1], [2, 2, 1, 1], [2, 1, 1, 1]],
        [[2, 1, 1, 1], [4, 1, 1, 1], [1, 1, 1, 1], [1, 4, 1, 1], [1, 1, 1, 1], [4, 1, 1, 1]]
    )]
    degrees: [[usize; 4]; NUM_LAYERS],
) {
    let device = Device::flex().autodiff();
    let model = words(trains, &device);
    let sample = tokens(&device);
    let profile = Profiler::new()
        .with_repetitions(1)
        .profile(&model, sample.clone(), &device)
        .unwrap();
    let graph = layer_graph(&model, sample.clone(), &profile).unwrap();
    let spec = DeviceSpec {
        name: profile.device,
        flops: 1.0,
        memory_bytes: None,
    };
    let cluster = Cluster::uniform(4, spec, Link::NONE).unwrap();
    let configurations = degrees.map(split);
    let whole = [Configuration::WHOLE];
    let cost = Layerwise::new(&graph, &cluster, &[0, 1, 2, 3])
        .unwrap()
        .with_synchronization(Synchronization::ParameterServer)
        .price(&[&whole[..], &configurations[..], &whole[..]].concat())
        .unwrap();

    let sharded = shard(model, &configurations, &places(4)).unwrap();
    sharded.forward(sample);
    let moved = sharded.bytes_moved();
    assert_eq!(cost.synchronization_bytes(), moved.parameters.total());
    assert_eq!(cost.bytes(), moved.total());
}

#[test]
fn a_model_made_without_autodiff_is_described_as_it_trains() {
    let describe = |device: &Device| layer_kinds(&words([true; 6], device), tokens(device));
    let layers = describe(&Device::flex());
    assert_eq!(layers, describe(&Device::flex().autodiff()));
    for layer in layers {
        assert_eq!(layer.trained_bytes, layer.parameter_bytes, "{}", layer.name);
        assert!(layer.needs_gradient, "{}", layer.name);
    }
}
