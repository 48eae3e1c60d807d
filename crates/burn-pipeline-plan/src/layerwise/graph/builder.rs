use super::{
    super::{Axis, AxisReads, Reads, Shape},
    Convolution, Edge, Graph, GraphError, Node, Window,
};

/// The bytes of a parameter.
const PARAMETER: u64 = 4;

/// What a layer makes, or data, while a graph is built: the input of other layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// None for data, which is loaded wherever it is read.
    node: Option<usize>,
    shape: Shape,
}

impl Value {
    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }
}

/// Builds a [`Graph`] layer by layer. Elements and parameters have 4 bytes.
///
/// Operations are counted as papers do: two for each multiplication with its addition, twice as
/// many in the backward pass of a layer with parameters, as many otherwise.
///
/// ```
/// use burn_pipeline_plan::{Convolution, GraphBuilder, Shape};
///
/// let mut builder = GraphBuilder::new();
/// let images = builder.data(Shape([32, 3, 64, 64]));
/// let left = builder.convolution("left", images, Convolution::new(16, [1, 1]));
/// let window = Convolution::new(16, [3, 3]).with_padding([1, 1]);
/// let right = builder.convolution("right", images, window);
/// let joined = builder.concatenation("join", &[left, right]);
/// assert_eq!(joined.shape(), Shape([32, 32, 64, 64]));
/// let graph = builder.build()?;
/// assert_eq!(graph.num_nodes(), 3);
/// # Ok::<(), burn_pipeline_plan::GraphError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GraphBuilder {
    nodes: Vec<Node>,
}

impl GraphBuilder {
    /// No layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The graph of the layers so far.
    ///
    /// # Errors
    ///
    /// The first layer that cannot be, by name.
    pub fn build(self) -> Result<Graph, GraphError> {
        Graph::new(self.nodes)
    }

    /// Data of this shape: loaded wherever it is read, at no cost. For an input that is in one
    /// place, add a [`node`](Self::node).
    pub fn data(&self, shape: Shape) -> Value {
        Value { node: None, shape }
    }

    /// Any layer.
    pub fn node(&mut self, node: Node) -> Value {
        let value = Value {
            node: Some(self.nodes.len()),
            shape: node.shape,
        };
        self.nodes.push(node);
        value
    }

    /// A convolution over all channels, with what is folded into it.
    pub fn convolution(
        &mut self,
        name: impl Into<String>,
        input: Value,
        convolution: Convolution,
    ) -> Value {
        let Shape([_, channels, ..]) = input.shape;
        let [rows, columns] = convolution.window.kernel;
        let weights = channels * rows * columns;
        let shape = slide(input.shape, convolution.channels, &convolution.window);
        let parameters = convolution.channels * (weights + convolution.channel_parameters);
        let reads = windowed(AxisReads::All, &convolution.window);
        let node = Node {
            axes: Axis::ALL.to_vec(),
            ..self.layer(name, shape, &[(input, reads)])
        };
        self.node(with_weights(node, weights, parameters))
    }

    /// A pooling of each channel.
    pub fn pooling(&mut self, name: impl Into<String>, input: Value, window: Window) -> Value {
        let Shape([_, channels, ..]) = input.shape;
        let shape = slide(input.shape, channels, &window);
        let reads = windowed(AxisReads::Same, &window);
        let flops = shape.num_elements() * window.kernel.iter().product::<usize>() as u64;
        let node = Node {
            axes: Axis::ALL.to_vec(),
            forward_flops: flops,
            backward_flops: flops,
            ..self.layer(name, shape, &[(input, reads)])
        };
        self.node(node)
    }

    /// The mean of each channel, over the whole image.
    pub fn global_pooling(&mut self, name: impl Into<String>, input: Value) -> Value {
        let Shape([_, _, rows, columns]) = input.shape;
        self.pooling(name, input, Window::new([rows, columns]))
    }

    /// A linear layer over all of a sample, which is flattened, with a bias.
    pub fn fully_connected(
        &mut self,
        name: impl Into<String>,
        input: Value,
        channels: usize,
    ) -> Value {
        let Shape([samples, rest @ ..]) = input.shape;
        let weights = rest.iter().product::<usize>();
        let shape = Shape([samples, channels, 1, 1]);
        let node = Node {
            axes: vec![Axis::Sample, Axis::Channel],
            ..self.layer(name, shape, &[(input, Reads::ALL)])
        };
        self.node(with_weights(node, weights, channels * (weights + 1)))
    }

    /// A linear layer over the channels of each position, with a bias.
    pub fn linear(&mut self, name: impl Into<String>, input: Value, channels: usize) -> Value {
        let Shape([samples, weights, rows, columns]) = input.shape;
        let shape = Shape([samples, channels, rows, columns]);
        let node = Node {
            axes: Axis::ALL.to_vec(),
            ..self.layer(name, shape, &[(input, Reads::ALL_CHANNELS)])
        };
        self.node(with_weights(node, weights, channels * (weights + 1)))
    }

    /// Inputs one behind the other along the channels.
    pub fn concatenation(&mut self, name: impl Into<String>, inputs: &[Value]) -> Value {
        let mut shape = inputs.first().map_or(Shape([0; 4]), |it| it.shape);
        shape.0[1] = inputs.iter().map(|it| it.shape.0[1]).sum();
        let mut offset = 0;
        let inputs: Vec<_> = inputs
            .iter()
            .map(|&input| {
                let channel = AxisReads::Offset { offset };
                offset += input.shape.0[1];
                let reads = Reads {
                    channel,
                    ..Reads::SAME
                };
                (input, reads)
            })
            .collect();
        let node = Node {
            axes: Axis::ALL.to_vec(),
            ..self.layer(name, shape, &inputs)
        };
        self.node(node)
    }

    /// The sum of inputs of one shape.
    pub fn sum(&mut self, name: impl Into<String>, inputs: &[Value]) -> Value {
        self.elementwise(name, inputs, inputs.len().saturating_sub(1) as u64)
    }

    /// A function of each element.
    pub fn activation(&mut self, name: impl Into<String>, input: Value) -> Value {
        self.elementwise(name, &[input], 1)
    }

    /// A batch norm of its own, with two parameters per channel. The bytes that parts exchange
    /// about their statistics are not counted.
    pub fn batch_norm(&mut self, name: impl Into<String>, input: Value) -> Value {
        let Shape([_, channels, ..]) = input.shape;
        let value = self.elementwise(name, &[input], 4);
        if let Some(node) = self.nodes.last_mut() {
            node.parameter_bytes = 2 * PARAMETER * channels as u64;
            node.splits_parameters = true;
            node.backward_flops = 2 * node.forward_flops;
        }
        value
    }

    /// The softmax over the channels, which are not split.
    pub fn softmax(&mut self, name: impl Into<String>, input: Value) -> Value {
        let flops = 4 * input.shape.num_elements();
        let node = Node {
            axes: vec![Axis::Sample, Axis::Height, Axis::Width],
            forward_flops: flops,
            backward_flops: flops,
            ..self.layer(name, input.shape, &[(input, Reads::ALL_CHANNELS)])
        };
        self.node(node)
    }

    fn elementwise(&mut self, name: impl Into<String>, inputs: &[Value], operations: u64) -> Value {
        let shape = inputs.first().map_or(Shape([0; 4]), |it| it.shape);
        let flops = operations * shape.num_elements();
        let inputs: Vec<_> = inputs.iter().map(|&it| (it, Reads::SAME)).collect();
        let node = Node {
            axes: Axis::ALL.to_vec(),
            forward_flops: flops,
            backward_flops: flops,
            ..self.layer(name, shape, &inputs)
        };
        self.node(node)
    }

    fn layer(&self, name: impl Into<String>, shape: Shape, inputs: &[(Value, Reads)]) -> Node {
        let edges = inputs.iter().filter_map(|&(input, reads)| {
            let producer = input.node?;
            Some(Edge { producer, reads })
        });
        Node {
            inputs: edges.collect(),
            ..Node::new(name, shape)
        }
    }
}

/// The node of a layer in which each element of the output is a sum over `weights` products.
fn with_weights(node: Node, weights: usize, parameters: usize) -> Node {
    let flops = 2 * weights as u64 * node.shape.num_elements();
    Node {
        forward_flops: flops,
        backward_flops: 2 * flops,
        parameter_bytes: PARAMETER * parameters as u64,
        splits_parameters: true,
        ..node
    }
}

fn slide(input: Shape, channels: usize, window: &Window) -> Shape {
    let Shape([samples, _, rows, columns]) = input;
    let (rows, columns) = (window.output(0, rows), window.output(1, columns));
    Shape([samples, channels, rows, columns])
}

fn windowed(channel: AxisReads, window: &Window) -> Reads {
    Reads {
        channel,
        height: window.reads(0),
        width: window.reads(1),
    }
}
