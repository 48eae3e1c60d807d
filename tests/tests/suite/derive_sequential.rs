//! What `#[derive(Sequential)]` makes of structs.

use burn::module::{Devices, Module, ModuleDisplay, ModuleMapper, ModuleVisitor};
use burn::nn::{
    Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, Relu,
};
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{
    AnySignal, Layer, LayerMapper, LayerVisitor, Ranked, Sequential, Signal, ranked,
};
use burn_pipeline_tests::data::generator;

const WIDTH: usize = 4;

#[derive(Module, Sequential, Debug)]
struct Block {
    norm: Ranked<LayerNorm, 3>,
    linear: Ranked<Linear, 3>,
}

#[derive(Module, Sequential, Debug)]
struct Model {
    embed: Embedding,
    body: (Vec<Block>, Ranked<Relu, 3>),
    #[sequential(skip)]
    dropout: f64,
    #[module(skip)]
    name: String,
    head: Ranked<Linear, 3>,
}

impl Block {
    fn new(device: &Device) -> Self {
        Self {
            norm: ranked(LayerNormConfig::new(WIDTH).init(device)),
            linear: ranked(LinearConfig::new(WIDTH, WIDTH).init(device)),
        }
    }

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.linear.forward(self.norm.forward(input))
    }
}

impl Model {
    fn new(num_blocks: usize) -> Self {
        let device = Device::default();
        Self {
            embed: EmbeddingConfig::new(10, WIDTH).init(&device),
            body: (
                (0..num_blocks).map(|_| Block::new(&device)).collect(),
                ranked(Relu::new()),
            ),
            dropout: 0.5,
            name: "kept".to_string(),
            head: ranked(LinearConfig::new(WIDTH, 2).init(&device)),
        }
    }

    fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let mut hidden = self.embed.forward(tokens);
        for block in &self.body.0 {
            hidden = block.forward(hidden);
        }
        self.head.forward(self.body.1.forward(hidden))
    }
}

fn tokens() -> Tensor<2, Int> {
    Tensor::from_ints([[1, 2, 3], [9, 0, 1]], &Device::default())
}

fn assert_bitwise<const D: usize>(one: Tensor<D>, other: Tensor<D>) {
    assert_eq!(one.dims(), other.dims());
    assert_eq!(one.into_data().as_bytes(), other.into_data().as_bytes());
}

/// The path of fields to every layer.
#[derive(Default)]
struct Paths {
    entered: Vec<String>,
    paths: Vec<String>,
}

impl LayerVisitor for Paths {
    fn enter(&mut self, name: &str) {
        self.entered.push(name.to_string());
    }

    fn visit_layer<L: Module>(&mut self, _layer: &L) {
        self.paths.push(self.entered.join("."));
    }

    fn exit(&mut self) {
        assert!(self.entered.pop().is_some(), "more exits than entries");
    }
}

fn paths(layers: &impl Sequential) -> Vec<String> {
    let mut paths = Paths::default();
    layers.visit_layers(&mut paths);
    assert!(paths.entered.is_empty(), "more entries than exits");
    paths.paths
}

#[test]
fn nested_layers_are_flattened_in_the_order_of_the_fields() {
    let model = Model::new(2);
    assert_eq!(
        paths(&model),
        [
            "embed",
            "body.0.0.norm",
            "body.0.0.linear",
            "body.0.1.norm",
            "body.0.1.linear",
            "body.1",
            "head",
        ]
    );
    assert_eq!(model.num_layers(), 7);
}

#[test]
fn a_collection_may_be_empty() {
    let _draws = generator();
    let model = Model::new(0);
    assert_eq!(paths(&model), ["embed", "body.1", "head"]);
    assert_eq!(model.num_layers(), 3);
    assert_bitwise(model.forward_layers(tokens()), model.forward(tokens()));
}

#[test]
fn the_layers_in_order_are_the_forward_written_by_hand() {
    let _draws = generator();
    let model = Model::new(3);
    assert_bitwise(model.forward_layers(tokens()), model.forward(tokens()));
}

#[test]
fn each_index_runs_the_layer_that_is_visited_there() {
    let _draws = generator();
    let model = Model::new(1);
    let embedded = model.embed.forward(tokens());
    let normed = model.body.0[0].norm.forward(embedded.clone());
    let mixed = model.body.0[0].linear.forward(normed.clone());
    let active = model.body.1.forward(mixed.clone());
    let scores = model.head.forward(active.clone());

    let mut signal = AnySignal::new(tokens());
    for (index, expected) in [embedded, normed, mixed, active, scores]
        .into_iter()
        .enumerate()
    {
        signal = model.forward_layer(index, signal);
        assert_bitwise(signal.clone().into_signal(), expected);
    }
}

#[test]
#[should_panic(expected = "the sequence ends 2 layers before")]
fn there_is_no_layer_after_the_last() {
    let _draws = generator();
    let model = Model::new(0);
    model.forward_layer(4, AnySignal::new(tokens()));
}

/// Which types of layers it was handed; it switches all their gradients off.
#[derive(Default)]
struct Freeze(Vec<&'static str>);

impl LayerMapper for Freeze {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        self.0.push(core::any::type_name::<L>());
        layer.no_grad()
    }
}

#[test]
fn mapping_replaces_every_layer_in_order_and_moves_skipped_fields_over() {
    let mut freeze = Freeze::default();
    let model = Model::new(1).train();
    assert!(model.embed.weight.is_require_grad());
    assert!(model.head.module().weight.is_require_grad());
    let model = model.map_layers(&mut freeze);
    assert_eq!(
        freeze.0,
        [
            core::any::type_name::<Embedding>(),
            core::any::type_name::<Ranked<LayerNorm, 3>>(),
            core::any::type_name::<Ranked<Linear, 3>>(),
            core::any::type_name::<Ranked<Relu, 3>>(),
            core::any::type_name::<Ranked<Linear, 3>>(),
        ]
    );
    assert!(!model.embed.weight.is_require_grad());
    assert!(!model.head.module().weight.is_require_grad());
    assert_eq!((model.dropout, model.name.as_str()), (0.5, "kept"));
}

#[derive(Module, Sequential, Debug)]
struct Chain<A, B> {
    first: A,
    second: B,
}

fn forward_both<A, B>(chain: &Chain<A, B>, input: A::Input) -> B::Output
where
    A: Sequential + ModuleDisplay,
    B: Sequential<Input = A::Output> + ModuleDisplay,
{
    chain.forward_layers(input)
}

#[test]
fn a_generic_struct_is_a_sequence_of_whatever_fits_together() {
    let _draws = generator();
    let chain = Chain {
        first: Model::new(1),
        second: vec![Chain {
            first: ranked::<_, 3>(LinearConfig::new(2, 5).init(&Device::default())),
            second: ranked::<_, 3>(LinearConfig::new(5, 2).init(&Device::default())),
        }],
    };
    let names = paths(&chain);
    assert_eq!(names[0], "first.embed");
    assert_eq!(names[5..], ["second.0.first", "second.0.second"]);

    let pair = &chain.second[0];
    let scores = chain.first.forward(tokens());
    let expected = pair.second.forward(pair.first.forward(scores));
    assert_bitwise(forward_both(&chain, tokens()), expected);
}

/// Bounds in both directions, parameters named like those of the methods, a tagging parameter, and
/// neighbours of every kind: concrete to generic, generic to concrete, concrete to concrete.
#[derive(Module, Sequential, Debug)]
struct Sandwich<M, V: Sequential, T, const D: usize>
where
    M: Sequential<Output = V::Input>,
{
    bread: Ranked<Linear, D>,
    filling: M,
    sauce: V,
    spread: Ranked<LayerNorm, D>,
    #[module(skip)]
    tag: core::marker::PhantomData<T>,
    r#final: Ranked<Linear, D>,
}

#[test]
fn bounds_of_the_struct_and_constants_are_kept() {
    let _draws = generator();
    let device = Device::default();
    let linear = || LinearConfig::new(WIDTH, WIDTH).init(&device);
    let sandwich: Sandwich<Block, Vec<Block>, u8, 3> = Sandwich {
        bread: ranked(linear()),
        filling: Block::new(&device),
        sauce: vec![Block::new(&device), Block::new(&device)],
        spread: ranked(LayerNormConfig::new(WIDTH).init(&device)),
        tag: core::marker::PhantomData,
        r#final: ranked(linear()),
    };
    assert_eq!(sandwich.num_layers(), 1 + 2 + 4 + 1 + 1);
    assert_eq!(paths(&sandwich)[8], "r#final", "as in Burn's own paths");

    let input = Tensor::ones([2, 3, WIDTH], &device);
    let mut expected = sandwich
        .filling
        .forward(sandwich.bread.forward(input.clone()));
    for block in &sandwich.sauce {
        expected = block.forward(expected);
    }
    let expected = sandwich.r#final.forward(sandwich.spread.forward(expected));
    assert_bitwise(sandwich.forward_layers(input), expected);
}

mod shift {
    use super::*;

    /// A layer without parameters.
    #[derive(Module, Debug)]
    pub(super) struct Shift {
        pub(super) by: f32,
    }

    impl Layer for Shift {
        type Input = Tensor<1>;
        type Output = Tensor<1>;

        fn forward(&self, input: Tensor<1>) -> Tensor<1> {
            input + self.by
        }
    }

    /// Public, with layers that are not, and with a field called like the module of its type.
    #[derive(Module, Sequential, Debug)]
    pub struct Shifts {
        pub(super) shift: shift::Shift,
        pub(super) more: Vec<shift::Shift>,
    }

    use super::shift;
}

#[test]
fn layers_may_be_more_private_than_their_struct_and_fields_called_like_modules() {
    let _draws = generator();
    let shifts = shift::Shifts {
        shift: shift::Shift { by: 1.0 },
        more: vec![shift::Shift { by: 2.0 }, shift::Shift { by: 4.0 }],
    };
    let output = shifts.forward_layers(Tensor::zeros([1], &Device::default()));
    assert_eq!(output.into_scalar::<f32>(), 7.0);
}

/// Burn derives `Module` for named fields only: for a tuple it is written by hand.
#[derive(Sequential, Clone, Debug)]
struct Pair(Block, #[sequential(skip)] u8, Ranked<Relu, 3>);

impl Module for Pair {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self(self.0.fork(device), self.1, self.2)
    }

    fn to_device(self, device: &Device) -> Self {
        Self(self.0.to_device(device), self.1, self.2)
    }

    fn train(self) -> Self {
        Self(self.0.train(), self.1, self.2)
    }

    fn valid(&self) -> Self {
        Self(self.0.valid(), self.1, self.2.clone())
    }

    fn materialize(self) -> Self {
        Self(self.0.materialize(), self.1, self.2)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.0.visit(visitor);
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self(self.0.map(mapper), self.1, self.2)
    }
}

#[test]
fn the_fields_of_a_tuple_struct_are_called_by_their_index() {
    let _draws = generator();
    let device = Device::default();
    let pair = Pair(Block::new(&device), 7, ranked(Relu::new()));
    assert_eq!(paths(&pair), ["0.norm", "0.linear", "2"]);

    let input = Tensor::ones([1, 2, WIDTH], &device);
    let expected = pair.2.forward(pair.0.forward(input.clone()));
    assert_bitwise(pair.forward_layers(input), expected);
    assert_eq!(pair.map_layers(&mut Freeze::default()).1, 7);
}

#[test]
fn the_ends_of_a_sequence_are_the_ends_of_its_first_and_last_field() {
    fn ends<S: Sequential>() -> [&'static str; 2] {
        fn name<S: Signal>() -> &'static str {
            core::any::type_name::<S>()
        }
        [name::<S::Input>(), name::<S::Output>()]
    }

    let expected = [
        core::any::type_name::<Tensor<2, Int>>(),
        core::any::type_name::<Tensor<3>>(),
    ];
    assert_eq!(ends::<Model>(), expected);
    assert_eq!(ends::<Chain<Model, Vec<Block>>>(), expected);
}
