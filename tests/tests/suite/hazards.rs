//! What goes wrong in Burn 0.22 when a pipeline is built the obvious way.
//!
//! The names tell what would happen; the internals chapter of the book tells why.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Layer, PipelineConfig, PipelineModule, Placement, Rematerialization, Sequential, ranked,
};
use burn_pipeline_tests::compare::{parameters, values};
use burn_pipeline_tests::data::{filled, floats, generator};
use burn_pipeline_tests::models::mean_square;

const WIDTH: usize = 8;

/// Fails when what reaches it is not a leaf of its own stage.
#[derive(Module, Debug)]
struct OwnLeaf {
    linear: Linear,
    is_first: bool,
}

impl Layer for OwnLeaf {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        assert!(self.is_first || input.is_require_grad() || !input.is_tracked());
        self.linear.forward(input)
    }
}

fn own_leaves(num_layers: usize, device: &Device) -> Vec<OwnLeaf> {
    (0..num_layers)
        .map(|layer| OwnLeaf {
            linear: LinearConfig::new(WIDTH, WIDTH).init(device),
            is_first: layer == 0,
        })
        .collect()
}

fn pipeline<M: Sequential + 'static>(
    model: M,
    num_stages: usize,
    rematerialization: Rematerialization,
) -> PipelineModule<M> {
    PipelineConfig::new()
        .with_num_micro_batches(4)
        .with_rematerialization(rematerialization)
        .init(model, Placement::even(&vec![Device::flex(); num_stages]))
        .unwrap()
}

/// Run `work` on another thread and fail when it has not ended in a minute.
fn without_hanging<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    let thread = thread::spawn(move || sender.send(work()).expect("the test waits"));
    let result = receiver.recv_timeout(Duration::from_secs(60));
    let result = result.expect("it hangs, or it panicked");
    thread.join().expect("it has ended");
    result
}

/// A tracked tensor that two threads touch joins their graphs, and a backward pass on one thread
/// while the other records can then wait for good.
#[test]
fn stages_share_no_graph_and_train_for_hundreds_of_steps() {
    let _draws = generator();
    without_hanging(|| {
        let device = Device::flex();
        let model = own_leaves(4, &device.clone().autodiff());
        let pipeline = pipeline(model, 4, Rematerialization::Never);
        for _ in 0..300 {
            let input = floats([8, WIDTH], 1, &device);
            let target = floats([8, WIDTH], 2, &device);
            pipeline.train_step(input, target, mean_square).unwrap();
        }
    });
}

struct NotLeaves(Vec<String>);

impl ModuleVisitor for NotLeaves {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.base().is_require_grad() {
            self.0.push(param.id.to_string());
        }
    }
}

/// `to_device` is a tracked move: its result is no leaf, gets no gradient, and the optimizer
/// skips it without a word.
#[test]
fn every_parameter_is_a_leaf_that_the_optimizer_moves() {
    let _draws = generator();
    let device = Device::flex();
    let model = own_leaves(3, &device.clone().autodiff());
    let pipeline = pipeline(model, 3, Rematerialization::ExceptLast);
    let mut not_leaves = NotLeaves(Vec::new());
    pipeline.visit(&mut not_leaves);
    assert_eq!(not_leaves.0, Vec::<String>::new());

    let before = parameters(&pipeline);
    let input = floats([8, WIDTH], 1, &device);
    let target = floats([8, WIDTH], 2, &device);
    let step = pipeline.train_step(input, target, mean_square).unwrap();
    let mut optimizer = SgdConfig::new().init();
    let pipeline = optimizer.step(0.1, pipeline, step.grads);

    for (path, after) in parameters(&pipeline) {
        assert_ne!(before[&path], after, "{path} has not moved");
    }
}

/// `clone().no_grad()` on a module that is not initialised switches the original off as well.
#[test]
fn a_lazily_built_model_trains_when_its_first_pass_is_untracked() {
    let _draws = generator();
    let device = Device::flex();
    let model = own_leaves(3, &device.clone().autodiff());
    let kept = model.clone();
    let pipeline = pipeline(model, 3, Rematerialization::Always);

    let input = floats([8, WIDTH], 1, &device);
    let target = floats([8, WIDTH], 2, &device);
    let step = pipeline.train_step(input, target, mean_square).unwrap();
    assert_eq!(step.grads.len(), 6);
    let mut not_leaves = NotLeaves(Vec::new());
    kept.visit(&mut not_leaves);
    assert_eq!(not_leaves.0, Vec::<String>::new());
}

/// Dropout is on where the input's device has autodiff: an untracked pass without it would send
/// other values than the recomputation sees.
#[test]
fn dropout_is_on_in_the_untracked_pass() {
    let _draws = generator();
    let device = Device::flex();
    let model = || {
        let linear = || ranked::<Linear, 2>(LinearConfig::new(WIDTH, WIDTH).init(&device));
        let dropout = || ranked::<Dropout, 2>(DropoutConfig::new(0.5).init());
        filled((linear(), dropout(), linear(), dropout()))
    };
    let outputs = |rematerialization| {
        let pipeline = pipeline(model(), 2, rematerialization);
        let input = floats([8, WIDTH], 1, &device);
        let step = pipeline
            .prepare_step(input, ())
            .with_outputs()
            .run(|output, ()| output.powi_scalar(2).mean())
            .unwrap();
        let outputs = values(step.outputs.unwrap().into_data());
        (outputs, values(step.loss.into_data()))
    };

    let kept = outputs(Rematerialization::Never);
    let zeros = kept.0.iter().filter(|value| **value == 0.0).count();
    assert!((10..54).contains(&zeros), "{zeros} of 64 are dropped");
    assert_eq!(outputs(Rematerialization::Always), kept);
    assert_eq!(outputs(Rematerialization::ExceptLast), kept);
}

/// A clone of a flag keeps its id when it is frozen: what trains cannot be told by ids.
#[test]
fn a_frozen_clone_of_a_dropout_stays_off_beside_one_that_is_on() {
    let _draws = generator();
    let device = Device::flex();
    let outputs = |num_stages, frozen_first: bool| {
        let active = ranked::<Dropout, 2>(DropoutConfig::new(0.5).init());
        let frozen = active.clone().freeze();
        let linear = || ranked::<Linear, 2>(LinearConfig::new(WIDTH, WIDTH).init(&device));
        let (one, other) = match frozen_first {
            true => (frozen, active),
            false => (active, frozen),
        };
        let model = filled((linear(), one, linear(), other));
        let pipeline = pipeline(model, num_stages, Rematerialization::Always);
        let step = pipeline
            .prepare_step(floats([8, WIDTH], 1, &device), ())
            .with_outputs()
            .run(|output, ()| output.powi_scalar(2).mean())
            .unwrap();
        values(step.outputs.unwrap().into_data())
    };
    let zeros = |outputs: &[f32]| outputs.iter().filter(|value| **value == 0.0).count();

    for frozen_first in [true, false] {
        let whole = outputs(1, frozen_first);
        assert_eq!(outputs(4, frozen_first), whole);
        let dropped_at_the_end = zeros(&whole) > 10;
        assert_eq!(dropped_at_the_end, frozen_first);
    }
}
