//! The dropout and the noise of this crate draw the same numbers with and without a pipeline,
//! however the model and its mini-batch are cut.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Dropout, DropoutConfig, PipelineConfig, Placement, RandomLayers, Ranked, Rematerialization,
    ScheduleKind, Sequential, ranked, with_random_step,
};
use burn_pipeline_tests::compare::{Step, values};
use burn_pipeline_tests::data::{filled, generator};
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Counted, Toy};
use burn_pipeline_tests::pipelined::{first_step, partitions_for, pipeline};
use burn_pipeline_tests::reference::{ByMicroBatches, whole};
use burn_pipeline_tests::schedules::last_first;
use rstest::rstest;

#[rstest]
fn own_dropout_is_that_of_the_plain_model(
    #[values((1, 5), (2, 6), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (
        usize,
        usize,
    ),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
) {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let kind: ScheduleKind = schedule.parse().unwrap();
    let batch = || Counted::batch(num_samples, &tracked);
    let model = Counted::model(&tracked);
    let unsplit = whole::<Counted>(&model, batch());
    let by_micro_batches = ByMicroBatches {
        num_micro_batches,
        last_first: last_first(&kind),
        seed: 0,
        step: 0,
    }
    .step::<Counted>(&model, batch(), &device);

    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(kind.clone())
        .with_rematerialization(rematerialization);
    for counts in partitions_for(&kind, model.num_layers()) {
        println!("counts {counts:?}");
        let step = first_step::<Counted>(&config, &counts, num_samples, &device);
        step.assert_same(&by_micro_batches);
        step.assert_close(&unsplit, 1e-5);
    }
}

#[test]
fn every_number_of_micro_batches_drops_out_the_same_elements() {
    let device = Device::flex();
    let model: (Ranked<Linear, 2>, Ranked<Dropout, 2>) = (
        ranked(LinearConfig::new(9, 9).init(&device)),
        ranked(DropoutConfig::new(0.5).init()),
    );
    let model = filled(model);
    let input = Tensor::<2>::ones([12, 9], &device);
    let dropped_out = |num_micro_batches| -> Vec<bool> {
        let pipeline = PipelineConfig::new()
            .with_num_micro_batches(num_micro_batches)
            .init(
                model.clone(),
                Placement::even(&[device.clone(), device.clone()]),
            )
            .unwrap();
        let step = pipeline
            .prepare_step(input.clone(), ())
            .with_outputs()
            .run(|output, ()| output.mean())
            .unwrap();
        let outputs = values(step.outputs.unwrap().into_data());
        outputs.into_iter().map(|value| value == 0.0).collect()
    };
    let whole = dropped_out(1);
    let num_dropped = whole.iter().filter(|dropped| **dropped).count();
    assert!((30..78).contains(&num_dropped), "{num_dropped} of 108");
    for num_micro_batches in [2, 3, 5, 12] {
        assert_eq!(dropped_out(num_micro_batches), whole, "{num_micro_batches}");
    }
}

#[test]
fn a_device_of_another_backend_drops_out_the_same_elements() {
    let device = Device::flex();
    let [flex, other] = two_devices();
    let config = PipelineConfig::new().with_num_micro_batches(2);
    let on = |devices: &[Device]| {
        let pipeline = config
            .init(Counted::model(&device), Placement::even(devices))
            .unwrap();
        take_step(&pipeline)
    };
    on(&[flex.clone(), other.clone()]).assert_close(&on(&[flex.clone(), flex]), 1e-5);
    on(&[other.clone(), other]).assert_close(&on(&[device.clone(), device.clone()]), 1e-5);
}

#[test]
fn every_step_and_every_seed_drops_out_something_else() {
    let device = Device::flex();
    let losses = |seed| {
        let config = PipelineConfig::new().with_seed(seed);
        let pipeline = pipeline::<Counted>(&config, &[3, 3], &device);
        [0, 1, 2].map(|_| take_step(&pipeline).loss[0])
    };
    let [one, other] = [losses(1), losses(2)];
    let mut all: Vec<_> = one.into_iter().chain(other).map(f32::to_bits).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6);
    assert_eq!(losses(1), one);
}

#[test]
fn a_resumed_run_drops_out_what_the_uninterrupted_one_does() {
    let device = Device::flex();
    let config = PipelineConfig::new().with_seed(5);
    let resumed = pipeline::<Counted>(&config, &[2, 4], &device);
    resumed.set_num_steps(7);

    let tracked = device.clone().autodiff();
    let by_micro_batches = ByMicroBatches {
        num_micro_batches: 4,
        last_first: true,
        seed: 5,
        step: 7,
    };
    let (model, batch) = (Counted::model(&tracked), Counted::batch(6, &tracked));
    take_step(&resumed).assert_same(&by_micro_batches.step::<Counted>(&model, batch, &device));
}

#[rstest]
fn the_lock_changes_nothing(
    #[values(RandomLayers::Every, RandomLayers::None)] random_layers: RandomLayers,
) {
    let _generator = generator();
    let device = Device::flex();
    let with = |random_layers| {
        let config = PipelineConfig::new().with_random_layers(random_layers);
        first_step::<Counted>(&config, &[3, 3], 6, &device)
    };
    with(random_layers).assert_same(&with(RandomLayers::Detect));
}

#[test]
fn inference_drops_out_nothing() {
    let device = Device::flex();
    let pipeline = pipeline::<Counted>(&PipelineConfig::new(), &[3, 3], &device);
    let (input, _) = Counted::batch(6, &device);
    let plain = with_random_step(0, 0, 0..6, || {
        pipeline.inner().valid().forward_layers(input.clone())
    });
    let output = pipeline.forward(input).unwrap();
    output.into_data().assert_eq(&plain.into_data(), true);
}

fn take_step(pipeline: &burn_pipeline::PipelineModule<Counted>) -> Step {
    let (input, target) = Counted::batch(6, &Device::flex());
    let step = pipeline.train_step(input, target, Counted::loss).unwrap();
    Step::new(step.loss, &step.grads, pipeline)
}
