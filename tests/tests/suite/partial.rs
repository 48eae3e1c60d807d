//! Training a part of a model.

use std::sync::atomic::{AtomicUsize, Ordering};

use burn::module::{Lora, Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    PipelineConfig, PipelineModule, PipelineOptimizer, Placement, Rematerialization, lift,
};
use burn_pipeline_tests::compare::{Step, assert_same_parameters, parameters};
use burn_pipeline_tests::data::{filled, floats, generator};
use burn_pipeline_tests::models::{Frozen, LowRank, Mlp, Toy, Transformer};
use burn_pipeline_tests::optimizers::{adam, constant, in_groups, train};
use burn_pipeline_tests::pipelined::{partitions, pipeline};
use rstest::rstest;

#[rstest]
#[case::the_first(check_frozen::<Frozen<0, 1>>, 0..1)]
#[case::the_lower_half(check_frozen::<Frozen<0, 3>>, 0..3)]
#[case::all_but_the_last(check_frozen::<Frozen<0, 4>>, 0..4)]
#[case::the_middle(check_frozen::<Frozen<1, 4>>, 1..4)]
#[case::the_last(check_frozen::<Frozen<4, 5>>, 4..5)]
#[case::all_but_the_first(check_frozen::<Frozen<1, 5>>, 1..5)]
fn frozen_layers_have_no_gradient_and_keep_their_bits(
    #[case] check: fn(std::ops::Range<usize>),
    #[case] frozen: std::ops::Range<usize>,
) {
    check(frozen);
}

fn check_frozen<T: Toy<Model = Mlp>>(frozen: std::ops::Range<usize>) {
    let is_frozen = |path: &str| match path.split('.').collect::<Vec<_>>()[..] {
        ["head", ..] => frozen.contains(&4),
        ["hidden", layer, ..] => frozen.contains(&layer.parse().unwrap()),
        _ => panic!("{path}"),
    };
    let model = T::model(&Device::flex().autodiff());
    let plain = parameters(&train::<T>(model, &mut adam(), &mut constant(), 3));

    for counts in partitions(5) {
        println!("counts {counts:?}");
        let mut pipeline = whole::<T>(&counts);
        let before = parameters(&pipeline);
        let mut optimizer = PipelineOptimizer::new(adam());
        for _ in 0..3 {
            let (input, target) = T::batch(6, &Device::flex());
            let step = pipeline.train_step(input, target, T::loss).unwrap();
            let numbers = Step::new(step.loss, &step.grads, &pipeline);
            for (path, gradient) in &numbers.gradients {
                assert_eq!(gradient.is_none(), is_frozen(path), "{path}");
            }
            pipeline = optimizer.step(0.05, pipeline, step.grads).unwrap();
        }
        let after = parameters(&pipeline);
        assert_same_parameters(&after, &plain);
        for (path, values) in &after {
            assert_eq!(*values == before[path], is_frozen(path), "{path}");
        }
    }
}

#[test]
fn only_what_trains_has_a_gradient() {
    let pipeline = pipeline::<Frozen<0, 3>>(&PipelineConfig::new(), &[1, 2, 2], &Device::flex());
    let (input, target) = Mlp::batch(8, &Device::flex());
    let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
    let numbers = Step::new(step.loss, &step.grads, &pipeline);
    let present = numbers.gradients.iter().filter(|(_, it)| it.is_some());
    let present: Vec<_> = present.map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        present,
        [
            "head.bias",
            "head.weight",
            "hidden.3.linear.bias",
            "hidden.3.linear.weight"
        ]
    );
}

#[rstest]
#[case::every_layer(Lora::new(2, 4.0))]
#[case::the_head_alone(Lora::new(2, 4.0).set_param_group(ParamGroup::from_predicate("head")))]
fn adapters_train_as_in_the_plain_model(#[case] lora: Lora) {
    let _generator = generator();
    // Those of Burn begin by drawing: both models get the same numbers.
    let model = |device: &Device| filled(Mlp::model(device).apply_lora(lora.clone()));
    let plain_model = model(&Device::flex().autodiff());
    let before = parameters(&plain_model);
    let plain = parameters(&train::<Mlp>(plain_model, &mut adam(), &mut constant(), 3));

    for counts in partitions(5) {
        let placement = Placement::from_counts(&vec![Device::flex(); counts.len()], &counts);
        let config = PipelineConfig::new().with_num_micro_batches(1);
        let pipeline = config.init(model(&Device::flex()), placement).unwrap();
        let pipeline = step(pipeline, &mut PipelineOptimizer::new(adam()), 3);
        let after = parameters(&pipeline);
        assert_same_parameters(&after, &plain);
        for (path, values) in after {
            let adapter = path.ends_with(".a") || path.ends_with(".b");
            assert_eq!(values != before[&path], adapter, "{path}");
        }
        // What is merged computes what the adapters computed.
        let (input, _) = Mlp::batch(4, &Device::flex());
        let with_adapters = pipeline.forward(input.clone()).unwrap().into_data();
        let merged = pipeline.materialize().forward(input).unwrap().into_data();
        merged.assert_eq(&with_adapters, true);
    }
}

#[test]
fn adapters_that_a_pipeline_is_given_train_as_well() {
    let _generator = generator();
    let pipeline = whole::<Mlp>(&[2, 3]);
    let before = parameters(&pipeline);
    let pipeline = filled(pipeline.apply_lora(Lora::new(2, 4.0)));
    let adapted = step(pipeline, &mut PipelineOptimizer::new(adam()), 3);
    let expected = {
        let model = LowRank::model(&Device::flex().autodiff());
        parameters(&train::<LowRank>(model, &mut adam(), &mut constant(), 3))
    };
    assert!(before.len() < expected.len());
    assert_same_parameters(&parameters(&adapted), &expected);
}

#[test]
fn groups_and_frozen_layers_go_together() {
    let model = Frozen::<1, 3>::model(&Device::flex().autodiff());
    let plain = train::<Frozen<1, 3>>(model, &mut in_groups(), &mut constant(), 3);
    for counts in partitions(5) {
        let pipeline = whole::<Frozen<1, 3>>(&counts);
        let pipeline = step(pipeline, &mut PipelineOptimizer::new(in_groups()), 3);
        assert_same_parameters(&parameters(&pipeline), &parameters(&plain));
    }
}

#[test]
fn a_group_by_the_ids_of_a_part_is_found_in_the_pipeline() {
    let groups = |model: Mlp| -> ModuleOptimizer {
        let ids = ParamGroup::ids_from_module(model);
        adam().with_group(ids, SgdConfig::new().build(), None)
    };
    let model = Mlp::model(&Device::flex().autodiff());
    let sgd = SgdConfig::new().init();
    let expected = train::<Mlp>(model.clone(), &mut { sgd }, &mut constant(), 3);

    let placement = Placement::from_counts(&vec![Device::flex(); 2], &[2, 3]);
    let config = PipelineConfig::new().with_num_micro_batches(1);
    let pipeline = config.init(model.clone(), placement).unwrap();
    let pipeline = step(pipeline, &mut PipelineOptimizer::new(groups(model)), 3);
    assert_same_parameters(&parameters(&pipeline), &parameters(&expected));
}

#[test]
fn layers_are_unfrozen_on_the_way() {
    let mut pipeline = whole::<Mlp>(&[2, 3]);
    let mut model = Mlp::model(&Device::flex().autodiff());
    let (mut optimizer, mut plain) = (PipelineOptimizer::new(adam()), adam());
    for frozen in ["hidden.0", "hidden.3", "nothing"] {
        let group = || ParamGroup::from_predicate(frozen);
        pipeline = pipeline.unfreeze().freeze_group(group());
        model = model.unfreeze().freeze_group(group());
        pipeline = step(pipeline, &mut optimizer, 2);
        model = train::<Mlp>(model, &mut plain, &mut constant(), 2);
        assert_same_parameters(&parameters(&pipeline), &parameters(&model));
    }
}

#[test]
fn a_transformer_below_its_head_can_be_frozen() {
    let _generator = generator();
    let device = Device::flex();
    let model = Transformer::model(&device)
        .freeze_group(ParamGroup::all().exclude(ParamGroup::from_predicate("head")));
    let pipeline = PipelineConfig::new()
        .init(model, Placement::even(&vec![device.clone(); 3]))
        .unwrap();
    let before = parameters(&pipeline);
    let (input, target) = Transformer::batch(6, &device);
    let taken = pipeline
        .train_step(input, target, Transformer::loss)
        .unwrap();
    assert_eq!(taken.grads.len(), 4);
    let mut optimizer = PipelineOptimizer::new(adam());
    let pipeline = optimizer.step(0.05, pipeline, taken.grads).unwrap();
    for (path, values) in parameters(&pipeline) {
        assert_eq!(values != before[&path], path.starts_with("head"), "{path}");
    }
}

fn whole<T: Toy>(counts: &[usize]) -> PipelineModule<T::Model> {
    let config = PipelineConfig::new().with_num_micro_batches(1);
    pipeline::<T>(&config, counts, &Device::flex())
}

fn step(
    mut pipeline: PipelineModule<Mlp>,
    optimizer: &mut PipelineOptimizer,
    num_steps: usize,
) -> PipelineModule<Mlp> {
    for _ in 0..num_steps {
        let (input, target) = Mlp::batch(6, &Device::flex());
        let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
        pipeline = optimizer.step(0.05, pipeline, step.grads).unwrap();
    }
    pipeline
}

/// A stage that nothing is run backward through has nothing to recompute for.
#[test]
fn a_frozen_stage_runs_each_micro_batch_once() {
    static NUM_RUNS: AtomicUsize = AtomicUsize::new(0);
    let device = Device::flex();
    let linear = || filled(LinearConfig::new(4, 4).init(&device));
    let counting = |linear: &Linear, input: Tensor<2>| {
        NUM_RUNS.fetch_add(1, Ordering::Relaxed);
        linear.forward(input)
    };
    let model = (
        lift(linear().no_grad(), counting),
        lift(linear(), Linear::forward::<2>),
    );
    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(4)
        .with_rematerialization(Rematerialization::Always)
        .init(model, Placement::even(&[device.clone(), device.clone()]))
        .unwrap();
    let input = floats([8, 4], 1, &device);
    let step = pipeline.train_step(input, (), |output, ()| output.powi_scalar(2).mean());
    assert_eq!(NUM_RUNS.load(Ordering::Relaxed), 4);
    let step = step.unwrap();
    assert_eq!(step.bytes_received[0], 0, "no gradient comes back");
    assert_eq!(step.grads.len(), 2);
}
