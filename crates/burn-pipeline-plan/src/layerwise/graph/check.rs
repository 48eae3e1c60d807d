//! Proves that a graph can be: each layer after its inputs, and of sizes that fit them.

use std::collections::HashMap;

use super::{
    super::{Axis, AxisReads},
    GraphError, Node,
};

pub(super) fn check(nodes: &[Node]) -> Result<(), GraphError> {
    if nodes.is_empty() {
        return Err(GraphError::NoNodes);
    }
    let mut names = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let name = || node.name.clone();
        if let Some(first) = names.insert(&node.name, index) {
            return Err(GraphError::SameName {
                name: name(),
                first,
                second: index,
            });
        }
        if let Some(axis) = Axis::ALL.into_iter().find(|it| node.shape.size(*it) == 0) {
            return Err(GraphError::Empty { name: name(), axis });
        }
        if let Some(it) = node.seconds {
            let is_time = |seconds: f64| seconds.is_finite() && seconds >= 0.0;
            if !is_time(it.forward) || !is_time(it.backward) {
                return Err(GraphError::Seconds {
                    name: name(),
                    forward: it.forward,
                    backward: it.backward,
                });
            }
        }
        for edge in &node.inputs {
            if edge.producer >= index {
                return Err(GraphError::Order {
                    name: name(),
                    index,
                    producer: edge.producer,
                });
            }
            let reads = &edge.reads;
            let axes = [AxisReads::Same, reads.channel, reads.height, reads.width];
            for (axis, reads) in Axis::ALL.into_iter().zip(axes) {
                check_axis(node, &nodes[edge.producer], axis, reads)?;
            }
        }
    }
    Ok(())
}

fn check_axis(
    node: &Node,
    producer: &Node,
    axis: Axis,
    reads: AxisReads,
) -> Result<(), GraphError> {
    let (size, other) = (node.shape.size(axis), producer.shape.size(axis));
    let name = node.name.clone();
    let outside = match reads {
        AxisReads::All => false,
        AxisReads::Same if size != other => {
            return Err(GraphError::Size {
                name,
                axis,
                size,
                producer: producer.name.clone(),
                other,
            });
        }
        AxisReads::Same => false,
        AxisReads::Window {
            kernel,
            stride,
            dilation,
            ..
        } if kernel == 0 || stride == 0 || dilation == 0 => {
            return Err(GraphError::Window {
                name,
                axis,
                kernel,
                stride,
                dilation,
            });
        }
        AxisReads::Window {
            stride, padding, ..
        } => (size - 1) * stride >= other + padding,
        AxisReads::Offset { offset } => offset + other > size,
    };
    match outside {
        false => Ok(()),
        true => Err(GraphError::Outside {
            name,
            axis,
            size,
            producer: producer.name.clone(),
            other,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Convolution, Edge, Graph, GraphBuilder, NodeSeconds, Reads, Shape, Value, Window};
    use rstest::rstest;

    fn image(builder: &mut GraphBuilder) -> Value {
        let data = builder.data(Shape([2, 3, 8, 8]));
        builder.convolution("conv", data, Convolution::new(4, [3, 3]))
    }

    fn node(name: &str) -> Node {
        Node::new(name, Shape([2, 4, 6, 6]))
    }

    #[rstest]
    #[case::empty(|_: &mut GraphBuilder, _| (), None)]
    #[case::named_twice(
        |it: &mut GraphBuilder, _| { it.node(node("conv")); },
        Some("layers 0 and 1 are both named `conv`")
    )]
    #[case::window_too_large(
        |it: &mut GraphBuilder, x| { it.pooling("pool", x, Window::new([7, 7])); },
        Some("the output of layer `pool` has a height of 0")
    )]
    #[case::no_window(
        |it: &mut GraphBuilder, x| { it.pooling("pool", x, Window::new([0, 3])); },
        Some("layer `pool` slides a window of 0 by 1 with dilation 1 along the height")
    )]
    #[case::sizes_differ(
        |it: &mut GraphBuilder, x| {
            let y = it.pooling("pool", x, Window::new([2, 2]));
            it.sum("sum", &[x, y]);
        },
        Some("layer `sum` makes a height of 6 of the same height of `pool`, which is 5")
    )]
    #[case::nothing_joined(
        |it: &mut GraphBuilder, _| { it.concatenation("join", &[]); },
        Some("the output of layer `join` has a sample of 0")
    )]
    #[case::later(
        |it: &mut GraphBuilder, _| {
            let inputs = vec![Edge { producer: 1, reads: Reads::SAME }];
            it.node(Node { inputs, ..node("self") });
        },
        Some("layer `self`, number 1, reads the output of layer 1")
    )]
    #[case::no_time(
        |it: &mut GraphBuilder, _| {
            let seconds = Some(NodeSeconds { forward: -1.0, backward: 0.0 });
            it.node(Node { seconds, ..node("late") });
        },
        Some("layer `late` takes -1 s forward and 0 s backward")
    )]
    fn what_is_no_graph_is_an_error_with_the_layer(
        #[case] extend: fn(&mut GraphBuilder, Value),
        #[case] message: Option<&str>,
    ) {
        let mut builder = GraphBuilder::new();
        let value = image(&mut builder);
        extend(&mut builder, value);
        match (builder.build(), message) {
            (Ok(_), None) => (),
            (Ok(_), Some(message)) => panic!("not refused: {message}"),
            (Err(error), message) => {
                let error = error.to_string();
                assert!(error.starts_with(message.unwrap_or("none")), "{error}");
            }
        }
    }

    #[test]
    fn a_stored_graph_is_checked_when_it_is_read() {
        let graph = Graph::lenet5(16);
        let json = serde_json::to_string(&graph).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), graph);
        let wrong = json.replace("\"pool1\"", "\"conv1\"");
        let error = serde_json::from_str::<Graph>(&wrong).unwrap_err();
        assert!(error.to_string().contains("`conv1`"), "{error}");
    }

    #[test]
    fn a_graph_without_layers_is_refused() {
        assert_eq!(Graph::new(Vec::new()), Err(GraphError::NoNodes));
    }
}
