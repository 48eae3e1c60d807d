//! Pipelines that are made from plans.

use std::slice::from_ref;

use burn::tensor::Device;
use burn_pipeline::{
    Cluster, DeviceSpec, Link, PipelineConfig, Placement, Plan, Planner, Profile,
    Rematerialization, ScheduleKind,
};
use burn_pipeline_tests::compare::Step;
use burn_pipeline_tests::models::{Convolution, Mlp, Toy};
use burn_pipeline_tests::reference::ByMicroBatches;
use burn_pipeline_tests::schedules::last_first;
use rstest::rstest;

const NUM_SAMPLES: usize = 8;

/// Of the toy's five layers, the first is as slow as the others together.
const UNEVEN: &str = "\
layer,    forward, backward, activation_bytes, output_bytes
hidden.0,   0.004,    0.008,             4096,           32
hidden.1,   0.001,    0.002,             4096,           32
hidden.2,   0.001,    0.002,             4096,           32
hidden.3,   0.001,    0.002,             4096,           32
head,       0.001,    0.002,             4096,           12";

fn cluster(num_devices: usize) -> Cluster {
    let device = DeviceSpec {
        name: "toy".to_string(),
        flops: 1.0,
        memory_bytes: None,
    };
    Cluster::uniform(num_devices, device, Link::NONE).unwrap()
}

fn plan(num_stages: usize, then: impl FnOnce(Planner) -> Planner) -> Plan {
    let profile = Profile::from_table(UNEVEN, "toy", 24.0).unwrap();
    let cluster = cluster(num_stages);
    let planner = Planner::new(&profile, &cluster).with_num_stages([num_stages]);
    then(planner).plan(NUM_SAMPLES).unwrap()
}

fn first_step(plan: &Plan, num_devices: usize) -> Step {
    let devices = vec![Device::flex(); num_devices];
    let pipeline = PipelineConfig::from_plan(plan)
        .init(
            Mlp::model(&devices[0]),
            Placement::of_plan(plan, &devices).unwrap(),
        )
        .unwrap();
    assert_eq!(pipeline.partition(), plan.partition());
    let (input, target) = Mlp::batch(NUM_SAMPLES, &devices[0]);
    let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
    assert_eq!(step.timeline.schedule(), plan.schedule());
    Step::new(step.loss, &step.grads, &pipeline)
}

#[rstest]
fn a_planned_pipeline_trains_as_the_plain_model(
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values(2, 3)] num_micro_batches: usize,
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    let kind: ScheduleKind = schedule.parse().unwrap();
    let plan = plan(2, |planner| {
        planner
            .with_schedules(from_ref(&kind))
            .with_most_chunks(2)
            .with_num_micro_batches([num_micro_batches])
            .with_rematerializations(&[rematerialization])
    });
    assert_eq!(plan.schedule_kind(), &kind);
    let device = Device::flex().autodiff();
    let plain = ByMicroBatches {
        num_micro_batches,
        last_first: last_first(&kind),
        seed: 0,
        step: 0,
    };
    let plain = plain.step::<Mlp>(
        &Mlp::model(&device),
        Mlp::batch(NUM_SAMPLES, &device),
        &device,
    );
    first_step(&plan, 2).assert_same(&plain);
}

#[test]
fn a_plan_that_was_stored_trains_as_before() {
    let plan = plan(2, |planner| planner);
    assert_eq!(plan.partition().counts()[0], 1);
    let json = serde_json::to_string(&plan).unwrap();
    let read: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(read, plan);
    first_step(&read, 2).assert_same(&first_step(&plan, 2));
}

#[test]
fn devices_that_a_plan_does_not_use_may_be_there() {
    first_step(&plan(2, |planner| planner), 3);
}

#[test]
fn a_plan_for_more_devices_than_there_are_is_an_error() {
    let plan = plan(3, |planner| planner);
    let devices = vec![Device::flex(); 2];
    let error = Placement::of_plan(&plan, &devices).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plan puts a stage on device 2, so it is for at least 3 devices, but 2 are given: give \
         as many as it was made for, or plan again"
    );
}

#[test]
fn a_plan_of_another_model_is_an_error() {
    let plan = plan(2, |planner| planner);
    let devices = vec![Device::flex(); 2];
    let model = Convolution::model(&devices[0]);
    let placement = Placement::of_plan(&plan, &devices).unwrap();
    let init = PipelineConfig::from_plan(&plan).init(model, placement);
    let error = init.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("5 layers") && error.contains("8"), "{error}");
}
