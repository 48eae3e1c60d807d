//! The search against trying everything, on random graphs.

use super::{
    Axis, AxisReads, Comparison, Configuration, Convolution, Edge, Graph, GraphBuilder, Layerwise,
    Node, Reads, Shape, Synchronization,
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

#[rstest]
fn what_is_found_is_no_worse_than_any_baseline(
    #[values(
        Graph::lenet5(256),
        Graph::alexnet(512),
        Graph::vgg16(128),
        Graph::resnet50(128),
        Graph::inception_v3(128)
    )]
    graph: Graph,
    #[values(1, 2, 4, 8)] num_devices: usize,
) {
    let cluster = Cluster::p100_nvlink(num_devices).unwrap();
    let devices: Vec<usize> = (0..num_devices).collect();
    let planner = Layerwise::new(&graph, &cluster, &devices).unwrap();
    let found = planner.compare().unwrap();
    assert!(found.speedup() >= 1.0 - 1e-12, "{found}");
    if num_devices == 1 {
        assert_eq!(found.searched.cost.bytes(), 0);
    }
}

#[rstest]
#[case(Graph::lenet5(512))]
#[case(Graph::alexnet(512))]
#[case(Graph::vgg16(512))]
#[case(Graph::resnet50(512))]
#[case(Graph::inception_v3(512))]
fn on_sixteen_devices_what_is_found_is_no_worse_than_any_baseline(#[case] graph: Graph) {
    let cluster = Cluster::p100_nvlink(16).unwrap();
    let devices: Vec<usize> = (0..16).collect();
    let planner = Layerwise::new(&graph, &cluster, &devices).unwrap();
    let found = planner.compare().unwrap();
    assert!(found.speedup() >= 1.0, "{found}");
    let left = planner.search().unwrap().elimination.left;
    assert_eq!(left.len(), 1, "reducible to one layer");
}

/// Two branches that are joined, one of them of two layers, and a classifier.
fn branches() -> Graph {
    let mut it = GraphBuilder::new();
    let x = it.data(Shape([64, 3, 32, 32]));
    let same = |channels, kernel: usize| {
        let convolution = Convolution::new(channels, [kernel, kernel]);
        convolution.with_padding([kernel / 2, kernel / 2])
    };
    let stem = it.convolution("stem", x, same(32, 3));
    let left = it.convolution("left", stem, same(32, 1));
    let right = it.convolution("right1", stem, same(16, 1));
    let right = it.convolution("right2", right, same(32, 3));
    let join = it.concatenation("join", &[left, right]);
    let fc = it.fully_connected("fc", join, 1024);
    it.softmax("softmax", fc);
    it.build().unwrap()
}

#[test]
fn an_elimination_is_told_step_by_step() {
    let (graph, cluster) = (branches(), Cluster::p100_nvlink(2).unwrap());
    let found = Layerwise::new(&graph, &cluster, &[0, 1])
        .unwrap()
        .search()
        .unwrap();
    insta::assert_snapshot!(found.elimination, @r"
      1  node  softmax into fc                 left: nodes 6, edges 6
      2  node  fc into join                    left: nodes 5, edges 5
      3  node  stem between left and right1    left: nodes 4, edges 4
      4  node  left between join and right1    left: nodes 3, edges 3
      5  node  right1 between right2 and join  left: nodes 2, edges 2
      6  edges right2 = join into one          left: nodes 2, edges 1
      7  node  right2 into join                left: nodes 1, edges 0
    left to enumerate: join in 5 configurations
    ");
}

#[test]
fn a_comparison_is_a_table_and_json() {
    let (graph, cluster) = (branches(), Cluster::p100_nvlink(4).unwrap());
    let planner = Layerwise::new(&graph, &cluster, &[0, 1, 2, 3]).unwrap();
    let comparison = planner.compare().unwrap();
    insta::assert_snapshot!(comparison, @r"
    4 devices               step     ratio   compute gradients transfers  gradient bytes  transfer bytes
    searched             2.94 ms      1.00   1.19 ms    242 µs   1.51 ms          171 kB          101 MB
    data parallelism     23.9 ms      8.11   1.19 ms   22.7 ms    0.00 s         1.61 GB             0 B
    model parallelism    5.39 ms      1.83   1.19 ms    0.00 s   4.20 ms             0 B          252 MB
    one weird trick      2.95 ms      1.00   1.19 ms    242 µs   1.52 ms          171 kB          101 MB
    ");
    let json = serde_json::to_string(&comparison).unwrap();
    assert_eq!(
        serde_json::from_str::<Comparison>(&json).unwrap(),
        comparison
    );
}
