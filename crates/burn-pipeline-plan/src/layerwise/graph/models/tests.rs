use super::Graph;
use rstest::rstest;

/// Parameters, and operations of a forward pass per image: a multiplication with its addition is
/// two. Published are 0.71, 15.5, 3.8 and 5.7 billion multiplications for the last four.
#[rstest]
#[case::lenet5(Graph::lenet5, 61_706, 0.84e6)]
#[case::alexnet(Graph::alexnet, 61_100_840, 1.43e9)]
#[case::vgg16(Graph::vgg16, 138_357_544, 31.0e9)]
#[case::resnet50(Graph::resnet50, 25_557_032, 7.7e9)]
#[case::inception_v3(Graph::inception_v3, 23_834_568, 11.4e9)]
fn a_network_has_the_parameters_and_operations_of_its_paper(
    #[case] graph: fn(usize) -> Graph,
    #[case] parameters: u64,
    #[case] flops: f64,
) {
    let graph = graph(2);
    assert_eq!(graph.parameter_bytes(), 4 * parameters);
    let per_image = graph.forward_flops() as f64 / 2.0;
    assert!((per_image / flops - 1.0).abs() < 0.02, "{per_image:e}");
}

#[rstest]
#[case(Graph::lenet5)]
#[case(Graph::alexnet)]
#[case(Graph::vgg16)]
#[case(Graph::resnet50)]
#[case(Graph::inception_v3)]
#[should_panic(expected = "a network from a paper's table is a graph")]
fn a_network_for_no_images_is_none(#[case] graph: fn(usize) -> Graph) {
    graph(0);
}

#[rstest]
#[case("a1/join", [256, 35, 35])]
#[case("a3/join", [288, 35, 35])]
#[case("b/join", [768, 17, 17])]
#[case("c4/join", [768, 17, 17])]
#[case("d/join", [1280, 8, 8])]
#[case("e2/join", [2048, 8, 8])]
fn the_modules_of_inception_v3_have_their_sizes(#[case] name: &str, #[case] sizes: [usize; 3]) {
    let graph = Graph::inception_v3(1);
    let node = &graph.nodes()[graph.position(name).unwrap()];
    assert_eq!(node.shape.0[1..], sizes);
}
