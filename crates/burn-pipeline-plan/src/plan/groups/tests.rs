use super::{kinds::Groups, *};
use crate::{
    Axis, BytesSource, Cluster, DeviceSpec, Edge, Graph, Host, LayerProfile, Link, Measurement,
    Node, PlanError, Profile, Reads, Shape, Synchronization,
};

fn profile(seconds: &[f64]) -> Profile {
    let layer = |(index, &forward): (usize, &f64)| LayerProfile {
        name: format!("blocks.{index}"),
        parameter_bytes: 1 << 20,
        measurements: vec![Measurement {
            num_samples: 1,
            forward,
            recorded_forward: forward,
            backward: 2.0 * forward,
            activation_bytes: 1 << 20,
            output_bytes: 1 << 10,
            ..Measurement::default()
        }],
    };
    Profile {
        device: "toy".to_string(),
        input_bytes_per_sample: 1024.0,
        bytes_source: BytesSource::Given,
        layers: seconds.iter().enumerate().map(layer).collect(),
        shared_parameters: Vec::new(),
        loss: Vec::new(),
    }
}

fn graph(num_layers: usize) -> Graph {
    let shape = Shape([8, 16, 1, 1]);
    let mut nodes = vec![Node::new("the input", shape)];
    for index in 0..num_layers {
        nodes.push(Node {
            inputs: vec![Edge {
                producer: index,
                reads: Reads::SAME,
            }],
            axes: vec![Axis::Sample],
            parameter_bytes: 1 << 20,
            ..Node::new(format!("blocks.{index}"), shape)
        });
    }
    Graph::new(nodes).unwrap()
}

fn device() -> DeviceSpec {
    DeviceSpec {
        name: "toy".to_string(),
        flops: 1e12,
        memory_bytes: None,
    }
}

fn cluster(link: Link) -> Cluster {
    Cluster::uniform(4, device(), link).unwrap()
}

#[test]
fn groups_win_where_one_layer_has_most_of_the_work_and_links_are_free() {
    let (profile, graph) = (profile(&[0.001, 0.1, 0.001, 0.001]), graph(4));
    let cluster = cluster(Link::NONE);
    let planned = GroupPlanner::new(&profile, &graph, &cluster)
        .plan(32)
        .unwrap();
    assert!(planned.group_size > 1, "{planned}");
    let heavy = planned.layers.iter().flatten().find(|it| it.layer == 1);
    let degree = heavy.unwrap().configuration.num_parts();
    assert_eq!(degree, planned.group_size);
    // Every part of it has a sample at least.
    let samples = planned.plan.micro_batches();
    assert!(samples.iter().all(|it| *it >= degree), "{planned}");
    let json = serde_json::to_string(&planned).unwrap();
    assert_eq!(serde_json::from_str::<GroupPlan>(&json).unwrap(), planned);
}

#[test]
fn stages_win_where_links_are_slow() {
    let (profile, graph) = (profile(&[0.01; 4]), graph(4));
    let cluster = cluster(Link {
        latency: 1e-3,
        bandwidth: 1e8,
    });
    let planned = GroupPlanner::new(&profile, &graph, &cluster)
        .plan(32)
        .unwrap();
    assert_eq!((planned.group_size, planned.devices.len()), (1, 4));
}

#[test]
fn the_winner_is_the_best_of_all_sizes_of_groups() {
    let graph = graph(5);
    for (heavy, bandwidth) in [(1.0, 1e8), (4.0, 1e9), (20.0, 1e10), (50.0, 1e9)] {
        let profile = profile(&[0.002, 0.002 * heavy, 0.002, 0.002, 0.004]);
        let cluster = cluster(Link {
            latency: 1e-5,
            bandwidth,
        });
        let planner = || GroupPlanner::new(&profile, &graph, &cluster);
        let seconds = |size: usize| {
            let planned = planner().with_group_sizes([size]).plan(16).unwrap();
            planned.plan.step_seconds()
        };
        let best = [1, 2, 4].map(seconds).into_iter().fold(f64::MAX, f64::min);
        assert_eq!(planner().plan(16).unwrap().plan.step_seconds(), best);
    }
}

#[test]
fn a_graph_of_another_model_is_an_error_with_the_layer() {
    let (profile, graph, cluster) = (profile(&[0.01; 4]), graph(3), cluster(Link::NONE));
    let error = GroupPlanner::new(&profile, &graph, &cluster)
        .plan(4)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer 3 is `blocks.3` in the profile, but nothing in the graph: give the graph of the \
         profiled model, its layers in their order"
    );
    let graph = super::tests::graph(4);
    let error = GroupPlanner::new(&profile, &graph, &cluster)
        .with_group_sizes([3])
        .plan(4)
        .unwrap_err();
    assert_eq!(error, PlanError::NoGroups { num_devices: 4 });
}

#[test]
fn a_micro_batch_smaller_than_the_degree_is_no_faster_than_its_largest_part() {
    let (profile, graph, cluster) = (profile(&[0.01; 4]), graph(4), cluster(Link::NONE));
    let seconds = |num_micro_batches: usize| {
        let planner = GroupPlanner::new(&profile, &graph, &cluster)
            .with_group_sizes([4])
            .with_planner(|it| it.with_num_micro_batches([num_micro_batches]));
        planner.plan(32).unwrap().plan.step_seconds()
    };
    // All layers are split by sample in four. What has one sample is on one device alone.
    let alone = 32.0 * 4.0 * 0.03;
    for (num_micro_batches, share) in [(4, 0.25), (8, 0.25), (16, 0.5), (32, 1.0)] {
        let seconds = seconds(num_micro_batches);
        assert!((seconds - share * alone).abs() < 1e-9, "{seconds}");
    }
}

#[test]
fn what_a_member_keeps_is_its_largest_part() {
    let (profile, graph, cluster) = (profile(&[0.01; 4]), graph(4), cluster(Link::NONE));
    let kept = |num_micro_batches: usize| {
        let planner = GroupPlanner::new(&profile, &graph, &cluster)
            .with_group_sizes([4])
            .with_planner(|it| it.with_num_micro_batches([num_micro_batches]));
        planner.plan(num_micro_batches).unwrap().plan.memory()[0].working_bytes
    };
    // One sample, whole, and what it sends.
    assert_eq!(kept(1), (1 << 20) + (1 << 10));
    assert_eq!(kept(8), kept(1));
}

#[test]
fn a_size_without_a_plan_leaves_the_others() {
    let (profile, graph, cluster) = (profile(&[0.01; 4]), graph(4), cluster(Link::NONE));
    // Four devices make one group: there are no two stages on it.
    let planned = GroupPlanner::new(&profile, &graph, &cluster)
        .with_planner(|it| it.with_num_stages([2]))
        .plan(32)
        .unwrap();
    assert_eq!(planned.devices.len(), 2);
    let sizes = planned.tried.iter();
    let sizes: Vec<_> = sizes
        .map(|it| (it.group_size, it.seconds.is_some()))
        .collect();
    assert_eq!(sizes, [(1, true), (2, true), (4, false)]);
    assert!(planned.to_string().ends_with(", 4 without a plan"));
}

#[test]
fn where_nothing_fits_the_size_that_comes_closest_is_reported() {
    let (profile, graph) = (profile(&[0.01; 4]), graph(4));
    let cluster = cluster(Link::NONE).with_memory_limit(1 << 19);
    let planner = || GroupPlanner::new(&profile, &graph, &cluster);
    let need = |error: &PlanError| match error {
        PlanError::Memory { need, .. } => *need,
        _ => u64::MAX,
    };
    let all = planner().plan(8).unwrap_err();
    let alone = [1, 2, 4].map(|size| planner().with_group_sizes([size]).plan(8).unwrap_err());
    assert_eq!(Some(need(&all)), alone.iter().map(need).min());
    assert_ne!(all, alone[2]);
    let error = planner()
        .with_planner(|it| it.with_num_stages([9]))
        .plan(8)
        .unwrap_err();
    assert!(matches!(
        error,
        PlanError::NothingToTry { num_devices: 4, .. }
    ));
}

#[test]
fn groups_of_256_devices_are_linked_by_the_slowest_of_their_links() {
    let host = |index: usize| Host {
        devices: (0..8).map(|_| device()).collect(),
        link: Link {
            latency: 1e-6,
            bandwidth: 1e10 * (1 + index) as f64,
        },
    };
    let network = Link {
        latency: 1e-4,
        bandwidth: 1e9,
    };
    let cluster = Cluster::new((0..32).map(host).collect(), network).unwrap();
    let (profile, graph) = (profile(&[0.01; 4]), graph(4));
    for group_size in [1, 4] {
        let sum = Synchronization::default();
        let groups = Groups::new(&profile, &graph, &cluster, 1e12, sum, group_size).unwrap();
        let linked = groups.cluster(&cluster).unwrap();
        assert_eq!(linked.num_devices(), 256 / group_size);
        for from in 0..linked.num_devices() {
            for to in (0..linked.num_devices()).filter(|it| *it != from) {
                let link = cluster.link(group_size * from, group_size * to);
                assert_eq!(linked.link(from, to), link);
            }
        }
    }
}
