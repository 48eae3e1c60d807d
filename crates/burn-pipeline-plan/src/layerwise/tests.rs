//! The search against trying everything, on random graphs.

use super::{
    Axis, AxisReads, Configuration, Edge, Graph, Layerwise, Node, Reads, Shape, Synchronization,
};
use crate::{Cluster, DeviceSpec, Host, Link};
use proptest::prelude::*;
use rstest::rstest;

/// Two hosts, the devices of the second slower.
fn cluster() -> Cluster {
    let host = |flops: f64| Host {
        devices: vec![
            DeviceSpec {
                name: "toy".to_string(),
                flops,
                memory_bytes: None,
            };
            2
        ],
        link: Link {
            latency: 0.5,
            bandwidth: 100.0,
        },
    };
    let network = Link {
        latency: 2.0,
        bandwidth: 30.0,
    };
    Cluster::new(vec![host(60.0), host(40.0)], network).unwrap()
}

/// Nodes that read some of those before them, in some way.
fn graph() -> impl proptest::strategy::Strategy<Value = Graph> {
    let node = (
        prop::collection::vec((any::<prop::sample::Index>(), 0..3u8), 0..3),
        prop::sample::subsequence(Axis::ALL.to_vec(), 0..=2),
        (0..4000u64, 0..600u64, any::<bool>()),
    );
    prop::collection::vec(node, 2..6).prop_map(|nodes| {
        let nodes = nodes.into_iter().enumerate().map(|(index, node)| {
            let (inputs, axes, (flops, parameter_bytes, splits_parameters)) = node;
            let inputs = inputs.into_iter().filter(|_| index > 0);
            let inputs = inputs.map(|(producer, kind)| Edge {
                producer: producer.index(index),
                reads: match kind {
                    0 => Reads::SAME,
                    1 => Reads::ALL_CHANNELS,
                    _ => Reads {
                        height: AxisReads::Window {
                            kernel: 3,
                            stride: 1,
                            padding: 1,
                            dilation: 1,
                        },
                        ..Reads::SAME
                    },
                },
            });
            Node {
                inputs: inputs.collect(),
                axes,
                forward_flops: flops,
                backward_flops: 2 * flops,
                parameter_bytes,
                splits_parameters,
                ..Node::new(format!("layer{index}"), Shape([4, 3, 5, 2]))
            }
        });
        Graph::new(nodes.collect()).unwrap()
    })
}

/// Every node reads every one before it: nothing can be eliminated but edges.
fn intertwined(num_nodes: usize, axes: &[Axis]) -> Graph {
    let nodes = (0..num_nodes).map(|index| Node {
        inputs: (0..index)
            .map(|producer| Edge {
                producer,
                reads: Reads::ALL_CHANNELS,
            })
            .collect(),
        axes: axes.to_vec(),
        forward_flops: 500 * (1 + index as u64 % 3),
        parameter_bytes: 300 * (index as u64 % 2),
        splits_parameters: true,
        ..Node::new(format!("layer{index}"), Shape([4, 4, 4, 4]))
    });
    Graph::new(nodes.collect()).unwrap()
}

/// The least step time of all combinations of configurations.
fn least(planner: &Layerwise) -> f64 {
    fn extend(planner: &Layerwise, chosen: &mut Vec<Configuration>) -> f64 {
        let node = chosen.len();
        if node == planner.graph().num_nodes() {
            return planner.price(chosen).unwrap().seconds();
        }
        let mut least = f64::INFINITY;
        for it in planner.configurations(node) {
            chosen.push(it);
            least = least.min(extend(planner, chosen));
            chosen.pop();
        }
        least
    }
    extend(planner, &mut Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_search_finds_what_trying_everything_finds(
        graph in graph(),
        server in any::<bool>(),
        overlap in any::<bool>(),
        devices in prop::sample::subsequence(vec![3, 0, 1, 2], 1..=4),
    ) {
        let (cluster, synchronization) = (cluster(), match server {
            true => Synchronization::ParameterServer,
            false => Synchronization::Ring,
        });
        let planner = Layerwise::new(&graph, &cluster, &devices).unwrap();
        let planner = planner.with_synchronization(synchronization).with_overlap(overlap);
        let num_combinations: usize = (0..graph.num_nodes())
            .map(|it| planner.configurations(it).len())
            .product();
        prop_assume!(num_combinations < 5_000);
        let (found, expected) = (planner.search().unwrap().seconds(), least(&planner));
        prop_assert!((found - expected).abs() <= 1e-9 * (1.0 + expected), "{found} {expected}");
    }
}

#[test]
fn what_cannot_be_eliminated_is_enumerated() {
    let (graph, cluster) = (intertwined(5, &[Axis::Sample, Axis::Channel]), cluster());
    let planner = Layerwise::new(&graph, &cluster, &[0, 1, 2, 3]).unwrap();
    let found = planner.search().unwrap();
    assert_eq!(found.elimination.left.len(), 5);
    let expected = least(&planner);
    assert!((found.seconds() - expected).abs() <= 1e-9 * expected);
}

#[test]
fn too_much_to_enumerate_is_refused_with_what_is_left() {
    let (graph, cluster) = (intertwined(8, &Axis::ALL), cluster());
    let planner = Layerwise::new(&graph, &cluster, &[0, 1, 2, 3]).unwrap();
    let error = planner.search().unwrap_err().to_string();
    assert!(error.contains("`layer0`, `layer1`"), "{error}");
    assert!(error.contains("2562890625 combinations"), "{error}");
}

#[rstest]
#[case(&[], "the group has no devices")]
#[case(&[0, 4], "the group has device 4, but the cluster has 4 devices")]
#[case(&[1, 1], "the group has device 1 twice")]
fn what_is_no_group_is_an_error(#[case] devices: &[usize], #[case] message: &str) {
    let error = Layerwise::new(&Graph::lenet5(8), &cluster(), devices).unwrap_err();
    assert!(error.to_string().starts_with(message), "{error}");
}

#[test]
fn only_legal_configurations_have_a_price() {
    let (graph, cluster) = (Graph::lenet5(8), cluster());
    let planner = Layerwise::new(&graph, &cluster, &[0, 1]).unwrap();
    let error = planner.price(&[Configuration::WHOLE]).unwrap_err();
    assert!(
        error.to_string().starts_with("there are 1 configurations"),
        "{error}"
    );
    let mut configurations = vec![Configuration::WHOLE; graph.num_nodes()];
    configurations[7] = Configuration::by_channel(2);
    let error = planner.price(&configurations).unwrap_err().to_string();
    assert!(
        error.starts_with("layer `softmax` cannot be split by `c2` on 2"),
        "{error}"
    );
}

#[test]
fn equal_layers_far_from_each_other_are_split_by_sample() {
    let graph = Graph::vgg16(512);
    let cluster = Cluster::p100_nvlink(4).unwrap();
    let found = Layerwise::new(&graph, &cluster, &[0, 1, 2, 3])
        .unwrap()
        .search()
        .unwrap();
    assert_eq!(
        found.cost.layers[0].configuration,
        Configuration::by_sample(4)
    );
}
