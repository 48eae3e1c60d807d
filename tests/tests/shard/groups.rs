//! A pipeline over groups of devices, by the plan that a planner made of it.

use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Cluster, DeviceSpec, GroupPlan, GroupPlanner, Link, PipelineConfig, PipelineOptimizer,
    Profiler, Ranked, ScheduleKind, Sequential, Synchronization, group_parts, group_placement,
    layer_graph, ranked,
};
use burn_pipeline_tests::compare::{assert_close, assert_close_parameters, parameters, values};
use burn_pipeline_tests::data::{filled, floats};
use burn_pipeline_tests::devices::two_devices;
use rstest::rstest;

use super::support::places;

const NUM_LAYERS: usize = 6;
const NUM_STEPS: u64 = 3;

type Rows = Vec<Ranked<Linear, 2>>;

fn rows(device: &Device) -> Rows {
    let linear = |_| ranked(LinearConfig::new(8, 8).init(device));
    filled((0..NUM_LAYERS).map(linear).collect())
}

fn batch(step: u64, device: &Device) -> [Tensor<2>; 2] {
    [step, 100 + step].map(|salt| floats([12, 8], salt, device))
}

fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    (output - target).powi_scalar(2).mean()
}

/// A plan for four devices in groups of two, by times that no machine's load changes.
fn planned(schedule: ScheduleKind) -> GroupPlan {
    let device = Device::flex().autodiff();
    let model = rows(&device);
    let [sample, _] = batch(0, &device);
    let sample = sample.narrow(0, 0, 4);
    let mut profile = Profiler::new()
        .with_num_samples([2, 4])
        .with_repetitions(1)
        .profile(&model, sample.clone(), &device)
        .unwrap();
    let layers = profile.layers.iter_mut();
    for measurement in layers.flat_map(|it| &mut it.measurements) {
        measurement.forward = measurement.num_samples as f64;
        measurement.recorded_forward = measurement.forward;
        measurement.backward = 2.0 * measurement.forward;
        measurement.pull_back = 0.0;
    }
    let graph = layer_graph(&model, sample, &profile).unwrap();
    let spec = DeviceSpec {
        name: profile.device.clone(),
        flops: 1.0,
        memory_bytes: None,
    };
    let cluster = Cluster::uniform(4, spec, Link::NONE).unwrap();
    GroupPlanner::new(&profile, &graph, &cluster)
        .with_group_sizes([2])
        .with_synchronization(Synchronization::ParameterServer)
        .with_planner(|planner| {
            planner
                .with_schedules(std::slice::from_ref(&schedule))
                .with_num_stages([2])
                .with_most_chunks(2)
        })
        .plan(12)
        .unwrap()
}

#[rstest]
#[case::one_part_each("1f1b", 2)]
#[case::two_parts_each("interleaved:2", 4)]
fn a_plan_over_groups_trains_as_the_whole_model_does(
    #[case] schedule: &str,
    #[case] num_parts: usize,
) {
    let plan = planned(schedule.parse().unwrap());
    println!("{plan}");
    let devices = places(4);
    let parts = group_parts(&plan, &devices).unwrap();
    assert_eq!(parts.len(), num_parts);
    assert!(parts.iter().all(|part| part.devices == two_devices()));
    let configurations = parts.iter().flat_map(|part| &part.configurations);
    assert!(configurations.clone().any(|it| it.num_parts() == 2));
    assert_eq!(configurations.count(), NUM_LAYERS);

    let device = Device::flex().autodiff();
    let mut whole = rows(&device);
    let model = rows(&device);
    let model: Vec<_> = parts
        .iter()
        .map(|part| part.shard(model[part.layers.clone()].to_vec()).unwrap())
        .collect();
    let placement = group_placement(&plan, &devices).unwrap();
    let config = PipelineConfig::from_plan(&plan.plan);
    let mut pipeline = config.init(model, placement).unwrap();

    let mut optimizer = AdamConfig::new().init();
    let mut pipelined = PipelineOptimizer::new(AdamConfig::new().init());
    for step in 0..NUM_STEPS {
        let [input, target] = batch(step, &device);
        let expected = loss(whole.forward_layers(input), target);
        let [input, target] = batch(step, &Device::flex());
        let step = pipeline.train_step(input, target, loss).unwrap();
        assert_eq!(step.timeline.schedule(), plan.plan.schedule());
        let losses = [step.loss, expected.clone()].map(|it| values(it.into_data()));
        assert_close("loss", &losses[0], &losses[1], 1e-5);
        let gradients = GradientsParams::from_grads(expected.backward(), &whole);
        whole = optimizer.step(0.01, whole, gradients);
        pipeline = pipelined.step(0.01, pipeline, step.grads).unwrap();
    }
    let parts = pipeline.into_inner().into_iter();
    let trained: Rows = parts.flat_map(|part| part.into_inner()).collect();
    assert_close_parameters(&parameters(&trained), &parameters(&whole), 1e-3);
}

#[test]
fn a_plan_for_more_devices_than_there_are_is_refused() {
    let plan = planned(ScheduleKind::OneForwardOneBackward);
    let devices = places(3);
    let errors = [
        group_parts(&plan, &devices).unwrap_err(),
        group_placement(&plan, &devices).unwrap_err(),
    ];
    for error in errors {
        let expected = "the plan has device 3 in a group, but 3 devices are given";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
