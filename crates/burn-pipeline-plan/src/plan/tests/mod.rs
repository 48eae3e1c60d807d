//! The search against the simulation of everything that it may choose from.

mod largest;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::{
    BytesSource, Cluster, DeviceSpec, Host, LayerProfile, Link, Measurement, Profile,
    Rematerialization, ScheduleKind, SharedParameter, WorkingBytes,
};

const MIB: u64 = 1 << 20;

fn layer(index: usize, milliseconds: f64, mebibytes: u64) -> LayerProfile {
    let measurement = |num_samples: usize| {
        // Part of the time is there however few samples there are.
        let forward = 1e-3 * milliseconds * (0.2 + num_samples as f64);
        Measurement {
            num_samples,
            forward,
            recorded_forward: 1.1 * forward,
            backward: 2.0 * forward,
            pull_back: 0.0,
            activation_bytes: mebibytes * MIB * num_samples as u64,
            output_bytes: MIB / 4 * num_samples as u64,
            working_bytes: None,
        }
    };
    LayerProfile {
        name: format!("blocks.{index}"),
        parameter_bytes: MIB,
        measurements: vec![measurement(1), measurement(4)],
    }
}

fn profile(layers: &[(f64, u64)]) -> Profile {
    let layers = layers.iter().enumerate();
    Profile {
        device: "toy".to_string(),
        input_bytes_per_sample: 1024.0,
        bytes_source: BytesSource::Given,
        layers: layers.map(|(index, it)| layer(index, it.0, it.1)).collect(),
        shared_parameters: Vec::new(),
        loss: vec![Measurement {
            num_samples: 1,
            forward: 1e-4,
            recorded_forward: 1e-4,
            backward: 1e-4,
            ..Measurement::default()
        }],
    }
}

fn cluster(flops: &[f64], memory_bytes: Option<u64>, latency: f64) -> Cluster {
    let device = |&flops: &f64| DeviceSpec {
        name: "toy".to_string(),
        flops,
        memory_bytes,
    };
    let link = Link {
        latency,
        bandwidth: 1e10,
    };
    let devices = flops.iter().map(device).collect();
    Cluster::new(vec![Host { devices, link }], link).unwrap()
}

#[test]
fn what_was_measured_stands_for_what_a_layer_works_with() {
    let mut profile = profile(&[(1.0, 2), (1.0, 8)]);
    let cluster = cluster(&[1e9], None, 0.0);
    let working = |profile: &Profile| {
        let planner = Planner::new(profile, &cluster).with_num_micro_batches([1]);
        planner.plan(4).unwrap().memory()[0].working_bytes
    };
    assert_eq!(working(&profile), 4 * (8 * MIB + MIB / 4));
    for layer in &mut profile.layers {
        for it in &mut layer.measurements {
            it.working_bytes = Some(WorkingBytes {
                forward: MIB * it.num_samples as u64,
                backward: 3 * MIB * it.num_samples as u64,
            });
        }
    }
    assert_eq!(working(&profile), 4 * 3 * MIB);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn pruning_loses_nothing(
        layers in prop::collection::vec((1..9u8, 1..9u64), 2..7),
        flops in prop::collection::vec(prop_oneof![Just(1e9), Just(2e9)], 1..4),
        memory in prop::option::of(10..120u64),
        latency in prop_oneof![Just(0.0), Just(1e-4), Just(3e-3)],
        batch_size in 1..10usize,
        free_order in any::<bool>(),
    ) {
        let layers: Vec<_> = layers.iter().map(|it| (f64::from(it.0), it.1)).collect();
        let profile = profile(&layers);
        let cluster = cluster(&flops, memory.map(|it| it * MIB), latency);
        let planner = || {
            let mut planner = Planner::new(&profile, &cluster).with_most_chunks(2);
            planner.refines = false;
            match free_order {
                true => planner,
                false => planner.with_devices_in_order(),
            }
        };
        let mut exhaustive = planner();
        exhaustive.prunes = false;
        match (planner().plan(batch_size), exhaustive.plan(batch_size)) {
            (Ok(plan), Ok(best)) => {
                let near = |a: f64, b: f64| (a - b).abs() <= 1e-8 * b;
                prop_assert!(near(plan.step_seconds(), best.step_seconds()));
                let second = |it: &Plan| it.explanation().second.clone().map(|it| it.seconds);
                match (second(&plan), second(&best)) {
                    (Some(a), Some(b)) => prop_assert!(near(a, b)),
                    (a, b) => prop_assert_eq!(a, b),
                }
                prop_assert_eq!(best.explanation().num_pruned, 0);
                // What is ruled out by time is not called too large.
                let num_too_large = |it: &Plan| it.explanation().num_too_large;
                prop_assert!(num_too_large(&plan) <= num_too_large(&best));
                prop_assert!(plan.memory().iter().all(StageMemory::fits));
                let json = serde_json::to_string(&plan).unwrap();
                prop_assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
            }
            (plan, best) => prop_assert_eq!(plan, best),
        }
    }

    #[test]
    fn moved_cuts_fit_and_are_never_slower(
        layers in prop::collection::vec((1..9u8, 1..9u64), 4..9),
        memory in prop::option::of(30..120u64),
        batch_size in 1..7usize,
    ) {
        let layers: Vec<_> = layers.iter().map(|it| (f64::from(it.0), it.1)).collect();
        let profile = profile(&layers);
        let cluster = cluster(&[1e9, 1e9], memory.map(|it| it * MIB), 1e-4);
        let planner = || Planner::new(&profile, &cluster).with_most_chunks(3);
        let mut as_found = planner();
        as_found.refines = false;
        if let (Ok(moved), Ok(as_found)) = (planner().plan(batch_size), as_found.plan(batch_size)) {
            prop_assert!(moved.step_seconds() <= as_found.step_seconds() * (1.0 + 1e-8));
            prop_assert!(moved.memory().iter().all(StageMemory::fits));
            let second = moved.explanation().second.as_ref();
            prop_assert!(second.is_none_or(|it| it.seconds >= moved.step_seconds() * (1.0 - 1e-8)));
        }
    }
}

#[test]
fn a_plan_explains_itself() {
    let mut layers = vec![(1.0, 4); 7];
    layers[5].0 = 4.0;
    let profile = profile(&layers);
    let cluster = cluster(&[1e9; 3], Some(80 * MIB), 2e-4);
    let plan = Planner::new(&profile, &cluster)
        .with_optimizer_bytes(2.0)
        .plan(16)
        .unwrap();
    insta::assert_snapshot!(plan, @"
    306 ms for 16 samples: 3 stages, 16 micro-batches, interleaved:2, rematerialization `never`
    stage  layers     device   busy    waits   memory    of
    0      0..1 4..5  0 (toy)  119 ms  61.0 %  49.0 MiB  80.0 MiB
    1      1..2 5..6  1 (toy)  298 ms  2.6 %   42.0 MiB  80.0 MiB
    2      2..4 6..7  2 (toy)  182 ms  40.5 %  57.5 MiB  80.0 MiB
    tried 300 ways: 205 ruled out by bounds, 84 too large, 11 simulated
    second: 3 stages, 9 micro-batches, 1f1b, `except-last` in 308 ms, 0.8 % longer
    - stage 1 is 1.49 times the mean, and the others wait for it 32.1 % of a step: layer 5 (`blocks.5`) alone takes 1.19 of the mean; split in two, a step takes 241 ms
    - memory takes 3.7 % of a step: 3 stages, 8 micro-batches, 1f1b, `never` in 294 ms needs 149 MiB on device 0, which holds 80.0 MiB
    - the bubble is 2.0 % of a step: twice as many micro-batches need 32 samples, but there are 16
    ");
    assert!(plan.gantt(80).contains("stage 2 │"));
}

#[test]
fn cuts_that_fit_and_are_slow_are_not_called_too_large() {
    // GPipe without recomputation fits only where the first stage has one layer: the other then has
    // three quarters of the work. With 8 micro-batches that is slower than what was found with 4.
    let profile = profile(&[(1.0, 10), (1.0, 10), (2.0, 0)]);
    let cluster = cluster(&[1e9; 2], Some(120 * MIB), 0.0);
    let planner = || {
        Planner::new(&profile, &cluster)
            .with_num_stages([2])
            .with_num_micro_batches([4, 8])
            .with_most_chunks(1)
            .with_rematerializations(&[Rematerialization::Never, Rematerialization::ExceptLast])
    };
    let gpipe = planner().with_schedules(&[ScheduleKind::GPipe]);
    let gpipe = gpipe.with_rematerializations(&[Rematerialization::Never]);
    assert_eq!(
        gpipe.plan(8).unwrap().partition().to_string(),
        "0..1 | 1..3"
    );
    let plan = planner().plan(8).unwrap();
    let explanation = plan.explanation();
    assert_eq!(explanation.num_too_large, 0, "{plan}");
    assert!(explanation.num_pruned > 0, "{plan}");
}

#[test]
fn a_slow_layer_is_not_to_be_split_where_that_is_no_gain() {
    // Half of the first layer beside the second is slower than the first alone.
    let profile = profile(&[(1.6, 1), (1.0, 1)]);
    let cluster = cluster(&[1e9; 2], None, 0.0);
    let plan = Planner::new(&profile, &cluster)
        .with_num_stages([2])
        .with_num_micro_batches([4])
        .plan(16)
        .unwrap();
    let findings = plan.explanation().findings.iter();
    let slow = findings.filter_map(|it| match it {
        Finding::SlowStage { split_seconds, .. } => Some(*split_seconds),
        _ => None,
    });
    assert_eq!(slow.collect::<Vec<_>>(), [None], "{plan}");
}

#[test]
fn what_fits_nowhere_names_device_and_layers() {
    let profile = profile(&[(1.0, 4), (1.0, 40), (1.0, 4)]);
    let cluster = cluster(&[1e9; 2], Some(30 * MIB), 0.0);
    let error = Planner::new(&profile, &cluster).plan(4).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no plan fits into the memory: the one that comes closest needs 88.3 MiB for layers 0..2 \
         (`blocks.0` to `blocks.1`) on device 0 (`toy`), which holds 30.0 MiB, with 2 stages, 4 \
         micro-batches, 1f1b and rematerialization `except-last`: give devices of at least that much or \
         more of them, make layers smaller, or take fewer samples per micro-batch"
    );
}

#[rstest]
#[case(0, vec![1])]
#[case(4, vec![9])]
#[case(4, vec![0])]
fn nothing_to_try_is_an_error(#[case] batch_size: usize, #[case] num_stages: Vec<usize>) {
    let profile = profile(&[(1.0, 4); 4]);
    let cluster = cluster(&[1e9; 2], None, 0.0);
    let planner = Planner::new(&profile, &cluster).with_num_stages(num_stages);
    let error = planner.plan(batch_size).unwrap_err();
    assert!(matches!(error, PlanError::NothingToTry { .. }), "{error}");
}

#[test]
fn a_shared_parameter_counts_once_on_each_stage_that_holds_it() {
    let mut profile = profile(&[(1.0, 1); 4]);
    profile.shared_parameters.push(SharedParameter {
        bytes: 10 * MIB,
        layers: vec![0, 1, 3],
    });
    let cluster = cluster(&[1e9; 2], None, 0.0);
    let plan = Planner::new(&profile, &cluster)
        .with_num_stages([2])
        .with_most_chunks(1);
    let plan = plan.plan(4).unwrap();
    let parameters = plan.memory().iter().map(|it| it.parameter_bytes);
    assert_eq!(parameters.sum::<u64>(), (4 + 20) * MIB);
}

#[test]
fn a_rule_makes_groups_of_devices() {
    let profile = profile(&[(1.0, 1); 4]);
    let cluster = cluster(&[1e9; 2], None, 0.0);
    let alone = Planner::new(&profile, &cluster).plan(8).unwrap();
    let grouped = Planner::new(&profile, &cluster).with_rule(|_, _, it| Measurement {
        forward: it.forward / 2.0,
        recorded_forward: it.recorded_forward / 2.0,
        backward: it.backward / 2.0,
        activation_bytes: it.activation_bytes / 2,
        ..it
    });
    let grouped = grouped.plan(8).unwrap();
    // Links stay as they are.
    let ratio = alone.step_seconds() / grouped.step_seconds();
    assert!((1.95..2.0).contains(&ratio), "{ratio}");
}

#[test]
fn a_rule_counts_the_memory_of_the_device_that_a_stage_is_on() {
    // The first device keeps four times as much of anything: the heavy layer fits on the second.
    let profile = profile(&[(1.0, 10), (1.0, 1), (1.0, 1), (1.0, 1)]);
    let cluster = cluster(&[1e9, 2e9], Some(40 * MIB), 0.0);
    let planner = || {
        let planner = Planner::new(&profile, &cluster).with_rule(|_, device, it| Measurement {
            activation_bytes: it.activation_bytes * if device == 0 { 4 } else { 1 },
            ..it
        });
        let planner = planner.with_num_stages([2]).with_num_micro_batches([1]);
        planner.with_most_chunks(1)
    };
    let plan = planner().plan(1).unwrap();
    assert_eq!(plan.devices(), [1, 0]);
    assert!(plan.memory().iter().all(StageMemory::fits));
    let error = planner().with_devices_in_order().plan(1).unwrap_err();
    let PlanError::Memory { need, device, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((need > 80 * MIB, device), (true, 0));
    assert!(planner().largest_batch(100).unwrap().batch_size() >= 1);
}

#[test]
fn only_what_may_be_chosen_is() {
    let profile = profile(&[(1.0, 1); 6]);
    let cluster = cluster(&[1e9; 2], None, 0.0);
    let plan = Planner::new(&profile, &cluster)
        .with_schedules(&[ScheduleKind::Interleaved { num_chunks: 2 }])
        .with_rematerializations(&[Rematerialization::Always])
        .with_num_stages([2])
        .plan(8)
        .unwrap();
    assert!(matches!(
        plan.schedule_kind(),
        ScheduleKind::Interleaved { .. }
    ));
    assert_eq!(plan.rematerialization(), Rematerialization::Always);
}

#[rstest]
#[case::time(|it: &mut Value| it["step_seconds"] = 1.0.into(), "the plan says that a step takes 1 s")]
#[case::devices(|it: &mut Value| it["devices"] = vec![0, 0].into(), "the plan has two stages on device 0")]
#[case::names(
    |it: &mut Value| it["device_names"] = vec!["toy"].into(),
    "the plan is for 1 names of devices, but it needs 2"
)]
#[case::batch(
    |it: &mut Value| it["batch_size"] = 1.into(),
    "the plan is for 8 micro-batches, but it needs 1"
)]
#[case::costs(
    |it: &mut Value| it["costs"]["places"] = vec![vec![99], vec![99]].into(),
    "the plan is for 2 different costs, but it needs 100"
)]
fn a_stored_plan_is_checked_when_it_is_read(#[case] change: fn(&mut Value), #[case] message: &str) {
    let profile = profile(&[(1.0, 1); 6]);
    let cluster = cluster(&[1e9; 2], None, 0.0);
    let planner = Planner::new(&profile, &cluster)
        .with_most_chunks(1)
        .with_num_stages([2]);
    let plan = planner.with_num_micro_batches([8]).plan(8).unwrap();
    let mut stored = serde_json::to_value(&plan).unwrap();
    change(&mut stored);
    let error = serde_json::from_value::<Plan>(stored)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(message), "{error}");
}
