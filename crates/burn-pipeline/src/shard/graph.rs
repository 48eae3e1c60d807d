//! A model as the graph that the search of its configurations takes.

use burn_pipeline_plan::{Axis, Edge, Graph, GraphError, Node, NodeSeconds, Profile, Reads, Shape};

use super::describe::{LayerDescription, bytes_per_element, layer_kinds};
use crate::layer::Sequential;
use crate::signal::batch_size;

/// The name of the node that stands for where a model's input comes from.
const INPUT: &str = "the input";
/// The name of the node that stands for where its output goes.
const OUTPUT: &str = "the output";

/// The layers of `model` as a graph for [`Layerwise`](burn_pipeline_plan::Layerwise): what each reads
/// of the one before, what it can be split along, its parameters, and the times that `profile`
/// measured with as many samples as `sample` has.
///
/// Before the layers is a node for the input and behind them one for the output, neither split: a
/// [`Sharded`](crate::Sharded) model takes its input from the first device of its group and sends
/// its output there. So what a plan is said to move is what [`shard`](crate::shard()) moves, and the
/// configurations of the layers are all but the first and the last of the plan's. Parameters that do
/// not train count half, as they go to the copies of a layer and no gradient comes back, and only
/// signals that get a gradient go both ways.
///
/// A sharded model sums the gradients of a layer's copies on the device of the first of them: search
/// with [`Synchronization::ParameterServer`](burn_pipeline_plan::Synchronization).
///
/// What the parts of one layer tell each other is not in the graph. The sums of a batch norm are small.
/// Attention split into `c` parts by heads moves `(c - 1) * samples * length * d_model` elements from
/// part to part, and their gradients back: weigh that by hand where links are slow.
///
/// # Errors
///
/// When the profile is of another number of layers, or two layers have one name.
pub fn layer_graph<S: Sequential>(
    model: &S,
    sample: S::Input,
    profile: &Profile,
) -> Result<Graph, GraphError> {
    let num_samples = batch_size(&sample).unwrap_or(1);
    let layers = layer_kinds(model, sample.clone());
    if layers.len() != profile.num_layers() {
        return Err(GraphError::Profile {
            num_layers: layers.len(),
            profiled: profile.num_layers(),
        });
    }
    let first = layers.first().map_or(Shape([1; 4]), |it| it.input);
    let mut nodes = vec![Node {
        needs_gradient: false,
        bytes_per_element: bytes_per_element(&sample, &first),
        ..Node::new(INPUT, first)
    }];
    for (index, layer) in layers.into_iter().enumerate() {
        let measured = profile.at(index, num_samples);
        let seconds = NodeSeconds {
            forward: measured.recorded_forward,
            backward: measured.backward,
        };
        let before = nodes[index].shape;
        nodes.push(node(layer, index, before, seconds));
    }
    let last = nodes.len() - 1;
    nodes.push(Node {
        inputs: vec![Edge {
            producer: last,
            reads: Reads::SAME,
        }],
        bytes_per_element: nodes[last].bytes_per_element,
        needs_gradient: nodes[last].needs_gradient,
        ..Node::new(OUTPUT, nodes[last].shape)
    });
    Graph::new(nodes)
}

fn node(layer: LayerDescription, producer: usize, before: Shape, seconds: NodeSeconds) -> Node {
    // A layer that rearranges its input reads all of a sample.
    let reads = match layer.input == before {
        true => layer.reads,
        false => Reads::ALL,
    };
    Node {
        inputs: vec![Edge { producer, reads }],
        splits_parameters: layer.max_channel_degree.is_some(),
        channel_units: layer
            .max_channel_degree
            .filter(|units| layer.channels_divide || *units < layer.shape.size(Axis::Channel)),
        axes: layer.splits,
        seconds: Some(seconds),
        // A copy takes all parameters and sends back gradients of those that train: the mean of both
        // moves twice.
        parameter_bytes: (layer.parameter_bytes + layer.trained_bytes) / 2,
        bytes_per_element: layer.bytes_per_element,
        needs_gradient: layer.needs_gradient,
        ..Node::new(layer.name, layer.shape)
    }
}
