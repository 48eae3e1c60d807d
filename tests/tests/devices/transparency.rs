//! The same numbers on every device, and on mixtures of them.

use burn::module::Module;
use burn::tensor::Device;
use burn::tensor::Tensor;
use burn_pipeline::PipelineOptimizer;
use burn_pipeline::{
    PipelineConfig, Placement, Precision, Rematerialization, ScheduleKind, Sequential, Skip,
};
use burn_pipeline_tests::compare::{
    Step, assert_close_parameters, assert_same_parameters, parameters,
};
use burn_pipeline_tests::models::{Convolution, Counted, Mlp, Skips, Tied, Toy, WithoutDropout};
use burn_pipeline_tests::optimizers::adam;
use burn_pipeline_tests::pipelined::{first_step, partitions_for};
use rstest::rstest;

use super::lists::{devices, lists};
use super::servers::shared;

const NUM_SAMPLES: usize = 7;
const MODES: [Rematerialization; 3] = [
    Rematerialization::Never,
    Rematerialization::ExceptLast,
    Rematerialization::Always,
];

type Check = fn(&[Device], &str, Option<f32>);

/// How far the kernels of two backends may be apart.
const TOLERANCE: f32 = 1e-4;
/// The same where GELU is computed, which GPUs approximate.
const WITH_GELU: f32 = 2e-3;

#[rstest]
#[case::mlp(is_transparent::<Mlp>, WITH_GELU)]
#[case::transformer(is_transparent::<WithoutDropout>, WITH_GELU)]
#[case::dropout_by_counters(is_transparent::<Counted>, WITH_GELU)]
#[case::batch_norm(is_transparent::<Convolution>, TOLERANCE)]
#[case::tied(is_transparent::<Tied>, TOLERANCE)]
#[case::skips(is_transparent::<Skips<Skip<Tensor<2>>>>, TOLERANCE)]
fn every_device_computes_what_the_cpu_does(
    #[case] check: Check,
    #[case] tolerance: f32,
    #[values("gpipe", "1f1b", "interleaved:2")] schedule: &str,
) {
    for list in lists() {
        println!("on {list}");
        check(&devices(&list, 3), schedule, Some(tolerance));
    }
}

#[rstest]
#[case::mlp(is_transparent::<Mlp>)]
#[case::transformer(is_transparent::<WithoutDropout>)]
#[case::dropout_by_counters(is_transparent::<Counted>)]
#[case::batch_norm(is_transparent::<Convolution>)]
#[case::tied(is_transparent::<Tied>)]
#[case::skips(is_transparent::<Skips<Skip<Tensor<2>>>>)]
fn servers_compute_what_this_machine_does_to_the_last_bit(
    #[case] check: Check,
    #[values("gpipe", "1f1b", "interleaved:2")] schedule: &str,
    #[values(0, 1, 2, 3)] placement: usize,
) {
    let [one, two, three] = shared();
    let here = Device::flex();
    let devices = [
        vec![one.clone()],
        vec![two.clone(), three],
        vec![one.clone(), two.clone(), one.clone()],
        vec![here.clone(), two, here],
    ];
    check(&devices[placement], schedule, None);
}

/// Steps over all partitions for as many stages as there are devices, beside the same on the CPU
/// here, which is what the plain model computes by the tables of the suite. Without a tolerance to
/// the last bit.
fn is_transparent<T: Toy>(devices: &[Device], schedule: &str, tolerance: Option<f32>) {
    let kind: ScheduleKind = schedule.parse().unwrap();
    let here = Device::flex();
    // Kernels of a software driver take their time.
    let modes = match tolerance {
        Some(_) => &MODES[1..2],
        None => &MODES[..],
    };
    let one_device = devices.iter().all(|device| *device == devices[0]);
    let mut first: Option<Step> = None;
    for counts in partitions_for(&kind, T::model(&here).num_layers()) {
        let num_stages = counts.len() / kind.num_chunks();
        if num_stages > devices.len() {
            continue;
        }
        for mode in modes {
            println!("{counts:?}, {mode:?}");
            let config = PipelineConfig::new()
                .with_num_micro_batches(3)
                .with_schedule(kind.clone())
                .with_rematerialization(*mode);
            let expected = first_step::<T>(&config, &counts, NUM_SAMPLES, &here);
            let placement = Placement::from_counts(&devices[..num_stages], &counts);
            let pipeline = config.init(T::model(&here), placement).unwrap();
            let (input, target) = T::batch(NUM_SAMPLES, &here);
            let step = pipeline.train_step(input, target, T::loss).unwrap();
            let step = Step::new(step.loss, &step.grads, &pipeline);
            match tolerance {
                Some(tolerance) => step.assert_close(&expected, tolerance),
                None => step.assert_same(&expected),
            }
            if one_device {
                step.assert_same(first.get_or_insert_with(|| step.clone()));
            }
        }
    }
}

#[test]
fn servers_train_to_the_bits_of_a_run_here() {
    let [one, two, three] = shared();
    let here = Device::flex();
    let alone = trained(&[here.clone(), here.clone(), here.clone()], Precision::Full);
    for devices in [
        [one.clone(), one.clone(), one.clone()],
        [one.clone(), two.clone(), three.clone()],
        [here.clone(), three, one.clone()],
        [two, here, one],
    ] {
        assert_same_parameters(&trained(&devices, Precision::Full), &alone);
    }
}

#[test]
fn boundaries_in_half_precision_are_rounded_between_devices_only() {
    let [one, two, three] = shared();
    let here = Device::flex();
    let alone = trained(&[here.clone(), here.clone(), here.clone()], Precision::Full);
    let same_device = trained(&[one.clone(), one.clone(), one.clone()], Precision::BF16);
    assert_same_parameters(&same_device, &alone);
    for half in [Precision::BF16, Precision::F16] {
        let rounded = trained(&[one.clone(), two.clone(), three.clone()], half);
        assert_close_parameters(&rounded, &alone, 0.1);
        assert_ne!(rounded, alone);
    }
}

fn trained(devices: &[Device], boundaries: Precision) -> burn_pipeline_tests::compare::Parameters {
    let mut pipeline = PipelineConfig::new()
        .with_num_micro_batches(3)
        .with_boundary_precision(boundaries)
        .init(Counted::model(&Device::flex()), Placement::even(devices))
        .unwrap();
    let mut optimizer = PipelineOptimizer::new(adam());
    for _ in 0..4 {
        let (input, target) = Counted::batch(NUM_SAMPLES, &Device::flex());
        let step = pipeline.train_step(input, target, Counted::loss).unwrap();
        pipeline = optimizer.step(1e-2, pipeline, step.grads).unwrap();
    }
    parameters(&pipeline)
}

#[test]
fn inference_and_running_statistics_are_those_of_the_cpu() {
    let here = Device::flex();
    let run = |devices: &[Device]| {
        let pipeline = PipelineConfig::new()
            .with_num_micro_batches(3)
            .init(Convolution::model(&here), Placement::even(devices))
            .unwrap();
        let (input, target) = Convolution::batch(NUM_SAMPLES, &here);
        let step = pipeline.train_step(input.clone(), target, Convolution::loss);
        step.unwrap();
        let output = pipeline.forward(input).unwrap().into_data();
        let values: Vec<f32> = output.convert::<f32>().try_into_vec().unwrap();
        (values, parameters(&pipeline.into_inner().valid()))
    };
    let (expected, statistics) = run(&[here.clone(), here.clone()]);
    let [one, two, _] = shared();
    let lists: Vec<_> = lists().iter().map(|list| devices(list, 2)).collect();
    for devices in lists.into_iter().chain([vec![one, two]]) {
        println!("{devices:?}");
        let (values, found) = run(&devices);
        assert_close_parameters(&found, &statistics, TOLERANCE);
        burn_pipeline_tests::compare::assert_close("output", &values, &expected, TOLERANCE);
    }
}
