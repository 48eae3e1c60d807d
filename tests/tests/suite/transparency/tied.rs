//! A weight that several layers hold trains as the one parameter that it is.

use burn::module::{Lora, Module};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn_pipeline::{
    PipelineConfig, PipelineModule, PipelineOptimizer, Placement, Rematerialization, ScheduleKind,
};
use burn_pipeline_tests::compare::{Step, assert_close, assert_same, parameters};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{Tied, Toy, Untied};
use burn_pipeline_tests::pipelined::{first_step, partitions_for, pipeline};
use burn_pipeline_tests::reference::whole;
use rstest::rstest;

const NUM_STEPS: usize = 4;

/// Its gradient is the sum over its uses, in the order of the layers: the cuts do not matter.
#[rstest]
fn the_gradient_of_a_tied_weight_is_the_same_for_every_partition(
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values((1, 5), (4, 8), (3, 7))] (num_micro_batches, num_samples): (usize, usize),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let kind: ScheduleKind = schedule.parse().unwrap();
    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(kind.clone())
        .with_rematerialization(rematerialization);
    let unsplit = whole::<Tied>(&Tied::model(&tracked), Tied::batch(num_samples, &tracked));

    let mut expected: Option<Step> = None;
    for counts in partitions_for(&kind, 6) {
        println!("counts {counts:?}");
        let step = first_step::<Tied>(&config, &counts, num_samples, &device);
        let of_weight = step
            .gradients
            .iter()
            .filter(|(path, _)| path.ends_with("weight"));
        assert_eq!(
            of_weight.count(),
            3,
            "one of the tied weight and two of the hidden layers"
        );
        assert_close(
            "there.weight",
            step.gradients["there.weight"].as_ref().unwrap(),
            unsplit.gradients["there.weight"].as_ref().unwrap(),
            1e-5,
        );
        expected.get_or_insert(step.clone()).assert_same(&step);
    }
}

/// Burn's optimizer maps a parameter where it is held first, and would leave the other holders
/// with what they had.
#[rstest]
fn all_holders_of_a_tied_weight_are_updated(
    #[values(&[6], &[3, 3], &[1, 4, 1], &[1, 1, 1, 1, 1, 1])] counts: &[usize],
    #[values(1, 4)] num_micro_batches: usize,
) {
    let plain = train_plain();
    let config = PipelineConfig::new().with_num_micro_batches(num_micro_batches);
    let trained = train(pipeline::<Tied>(&config, counts, &Device::flex()));

    let copies = trained.inner().copies();
    for copy in &copies[1..] {
        assert_same("a copy", copy, &copies[0]);
    }
    for (one, other) in Untied::of(trained.into_inner())
        .weights()
        .iter()
        .zip(plain.weights())
    {
        assert_close("a weight", one, &other, 1e-5);
    }
}

/// On every worker at once, it is updated by the stage that holds it first.
#[rstest]
fn the_pipeline_optimizer_updates_all_holders_too(
    #[values(&[6], &[3, 3], &[1, 1, 1, 1, 1, 1])] counts: &[usize],
) {
    let start = || pipeline::<Tied>(&PipelineConfig::new(), counts, &Device::flex());
    let expected = train(start()).into_inner().copies();

    let mut pipeline = start();
    let mut optimizer = PipelineOptimizer::new(adam());
    for _ in 0..NUM_STEPS {
        let (input, target) = Tied::batch(8, &Device::flex());
        let step = pipeline.train_step(input, target, Tied::loss).unwrap();
        pipeline = optimizer.step(1e-2, pipeline, step.grads).unwrap();
    }
    for copy in pipeline.inner().copies() {
        assert_same("a copy", &copy, &expected[0]);
    }
}

#[test]
fn a_tied_weight_is_one_parameter_to_counts_and_records() {
    let config = PipelineConfig::new();
    let tied = pipeline::<Tied>(&config, &[2, 2, 2], &Device::flex());
    assert_eq!(tied.num_params(), 4 * 6 + 2 * (6 * 6 + 6));
    assert_eq!(
        parameters(&tied).into_keys().collect::<Vec<_>>(),
        [
            "hidden.linear.bias",
            "hidden.linear.weight",
            "more.linear.bias",
            "more.linear.weight",
            "there.weight"
        ]
    );

    let trained = train(tied);
    let expected = trained.inner().copies();
    let bytes = trained.into_record().into_bytes().unwrap();
    let fresh = pipeline::<Tied>(&config, &[1, 5], &Device::flex());
    let loaded = fresh.load_record(ModuleRecord::from_bytes(bytes).unwrap());
    for (copy, expected) in loaded.inner().copies().iter().zip(&expected) {
        assert_same("a loaded copy", copy, expected);
    }

    let more = train(loaded).into_inner().copies();
    for copy in &more[1..] {
        assert_same("a copy trained on", copy, &more[0]);
    }
}

/// Adapters put on a pipeline reach every holder of a weight, and train as one.
#[test]
fn adapters_of_a_tied_weight_are_tied_as_well() {
    let _generator = generator();
    let config = PipelineConfig::new();
    let adapted = |counts: &[usize]| {
        let device = Device::flex();
        device.seed(3);
        let pipeline = pipeline::<Tied>(&config, counts, &device);
        train(pipeline.apply_lora(Lora::new(2, 4.0)))
    };
    let [one, other] = [&[6][..], &[1, 4, 1]].map(|counts| adapted(counts).into_inner().copies());
    assert_eq!(one, other);
    let start = Tied::model(&Device::flex()).copies();
    assert_ne!(one[0], start[0], "what is adapted is no more what it was");
    for copy in &one[1..] {
        assert_same("a copy", copy, &one[0]);
    }
}

#[test]
fn a_tied_weight_is_frozen_and_unfrozen_whole() {
    let config = PipelineConfig::new();
    let frozen = pipeline::<Tied>(&config, &[3, 3], &Device::flex()).no_grad();
    let (input, target) = Tied::batch(4, &Device::flex());
    let step = frozen.train_step(input, target, Tied::loss);
    let error = step.err().expect("nothing trains").to_string();
    assert!(error.starts_with("none of the model's 6 layers"), "{error}");
}

/// A model whose copies differ, one loaded from two files say, starts from the first.
#[test]
fn holders_that_differ_start_from_the_first() {
    let device = Device::flex();
    let model = burn_pipeline_tests::data::filled(Tied::model(&device));
    let before = model.copies();
    assert_ne!(before[0], before[1]);

    let placement = Placement::even(&[device.clone(), device]);
    let pipeline = PipelineConfig::new().init(model, placement).unwrap();
    for copy in pipeline.inner().copies() {
        assert_same("a copy", &copy, &before[0]);
    }
}

fn adam() -> ModuleOptimizer {
    AdamConfig::new().init()
}

fn train_plain() -> Untied {
    let device = Device::flex().autodiff();
    let mut optimizer = adam();
    let mut model = Untied::of(Tied::model(&device));
    for _ in 0..NUM_STEPS {
        let (input, target) = Tied::batch(8, &device);
        let loss = Tied::loss(model.forward(input), target);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    model
}

fn train(mut pipeline: PipelineModule<Tied>) -> PipelineModule<Tied> {
    let mut optimizer = adam();
    for _ in 0..NUM_STEPS {
        let (input, target) = Tied::batch(8, &Device::flex());
        let step = pipeline.train_step(input, target, Tied::loss).unwrap();
        pipeline = optimizer.step(1e-2, pipeline, step.grads);
    }
    pipeline
}
