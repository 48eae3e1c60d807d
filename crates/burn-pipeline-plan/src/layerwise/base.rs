use std::{collections::HashMap, sync::Arc};

use super::{
    Configuration, Graph, LayerCost, LayerwiseError, Node, StepCost, Strategy, Synchronization,
    cost::{Group, Transfer, compute_seconds, synchronization_bytes, synchronization_seconds},
    legal::legal_configurations,
    search::{Problem, Rest, solve},
};
use crate::Cluster;

/// Finds how to split each layer of a graph over a group of devices: layer-wise parallelism (Jia,
/// Lin, Qi and Aiken, 2018).
///
/// A step is taken to run one layer after the other, so that its time is a sum: of each layer's
/// computing and of the synchronization of its gradients, and of what is moved along each edge.
///
/// ```
/// use burn_pipeline_plan::{Cluster, Graph, Layerwise};
///
/// let graph = Graph::lenet5(256);
/// let cluster = Cluster::p100_nvlink(4)?;
/// let found = Layerwise::new(&graph, &cluster, &[0, 1, 2, 3])?.search()?;
/// for layer in &found.cost.layers {
///     println!("{}: {}", layer.name, layer.configuration);
/// }
/// println!("{}", found.elimination);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Layerwise<'a> {
    graph: &'a Graph,
    group: Group,
    synchronization: Synchronization,
    overlap: bool,
}

impl<'a> Layerwise<'a> {
    /// For some devices of a cluster, by number: part `i` of a layer is on the `i`th of them.
    /// Gradients are summed in a ring, without overlap.
    ///
    /// # Errors
    ///
    /// When there is no device, or one is not in the cluster or there twice.
    pub fn new(
        graph: &'a Graph,
        cluster: &Cluster,
        devices: &[usize],
    ) -> Result<Self, LayerwiseError> {
        let num_devices = cluster.num_devices();
        if devices.is_empty() {
            return Err(LayerwiseError::NoDevices);
        }
        for (index, &device) in devices.iter().enumerate() {
            if device >= num_devices {
                return Err(LayerwiseError::NoSuchDevice {
                    device,
                    num_devices,
                });
            }
            if devices[..index].contains(&device) {
                return Err(LayerwiseError::SameDevice { device });
            }
        }
        Ok(Self {
            graph,
            group: Group::new(cluster, devices),
            synchronization: Synchronization::default(),
            overlap: false,
        })
    }

    /// The same, with gradients summed in this way.
    pub fn with_synchronization(mut self, synchronization: Synchronization) -> Self {
        self.synchronization = synchronization;
        self
    }

    /// The same, with or without overlap. With it, the gradients of a layer are summed while its
    /// own backward pass runs, which computes undisturbed: synchronization costs only what it
    /// takes longer than that. Nothing else overlaps.
    pub fn with_overlap(mut self, overlap: bool) -> Self {
        self.overlap = overlap;
        self
    }

    /// The graph.
    pub fn graph(&self) -> &'a Graph {
        self.graph
    }

    /// The number of devices in the group.
    pub fn num_devices(&self) -> usize {
        self.group.num_devices()
    }

    /// The configurations that a layer may have: degrees along its axes, no larger than its
    /// sizes, whose product divides the number of devices. The whole layer is the first.
    ///
    /// # Panics
    ///
    /// If there is no such layer.
    pub fn configurations(&self, node: usize) -> Vec<Configuration> {
        let node = &self.graph.nodes()[node];
        legal_configurations(node, self.num_devices())
    }

    /// What a step costs under given configurations, one for each layer.
    ///
    /// # Errors
    ///
    /// When a layer has none, or one that it may not have.
    ///
    /// # Complexity
    ///
    /// O(E P^2) for E edges and P devices.
    pub fn price(&self, configurations: &[Configuration]) -> Result<StepCost, LayerwiseError> {
        let nodes = self.graph.nodes();
        if configurations.len() != nodes.len() {
            return Err(LayerwiseError::NumConfigurations {
                found: configurations.len(),
                expected: nodes.len(),
            });
        }
        let layers = nodes
            .iter()
            .zip(configurations)
            .map(|(node, &configuration)| {
                self.check(node, configuration)?;
                let (compute, synchronization) = self.node_seconds(node, configuration);
                let mut cost = LayerCost {
                    name: node.name.clone(),
                    configuration,
                    compute_seconds: compute,
                    synchronization_seconds: synchronization,
                    synchronization_bytes: synchronization_bytes(node, configuration),
                    transfer_seconds: 0.0,
                    transfer_bytes: 0,
                };
                for edge in &node.inputs {
                    let from = configurations[edge.producer];
                    let transfer = Transfer::new(&nodes[edge.producer], node, edge.reads);
                    cost.transfer_seconds += transfer.seconds(from, configuration, &self.group);
                    cost.transfer_bytes += transfer.bytes(from, configuration);
                }
                Ok(cost)
            });
        Ok(StepCost {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }

    /// The configurations with the least step time, and how they were found: by node and edge
    /// elimination, which loses nothing. Of equally good ones, any.
    ///
    /// # Errors
    ///
    /// When the graph is so intertwined that too many combinations are left.
    ///
    /// # Complexity
    ///
    /// O(E K^2 P + V K^3) for V layers with K configurations, E edges and P devices. K is at most
    /// 70 for 16 devices and 495 for 256.
    pub fn search(&self) -> Result<Strategy, LayerwiseError> {
        let nodes = self.graph.nodes();
        let mut lists: HashMap<_, Arc<[Configuration]>> = HashMap::new();
        let configurations: Vec<Arc<[Configuration]>> = (0..nodes.len())
            .map(|it| {
                let legal = self.configurations(it);
                lists
                    .entry(legal.clone())
                    .or_insert_with(|| legal.into())
                    .clone()
            })
            .collect();
        let costs = nodes
            .iter()
            .zip(&configurations)
            .map(|(node, configurations)| {
                let costs = configurations.iter().map(|&it| {
                    let (compute, synchronization) = self.node_seconds(node, it);
                    compute + synchronization
                });
                costs.collect()
            });
        let transfers = nodes.iter().enumerate().flat_map(|(to, node)| {
            node.inputs.iter().map(move |edge| {
                let producer = &nodes[edge.producer];
                (edge.producer, to, Transfer::new(producer, node, edge.reads))
            })
        });
        let transfers: Vec<_> = transfers.collect();
        let problem = Problem::new(&configurations, costs.collect(), &transfers, &self.group);
        let names: Vec<&str> = nodes.iter().map(|it| it.name.as_str()).collect();
        let (chosen, elimination) = solve(problem, &names).map_err(|rest: Rest| {
            let layers = rest.nodes.iter().map(|&it| names[it].to_string());
            LayerwiseError::TooManyLeft {
                layers: layers.collect(),
                combinations: rest.combinations,
                limit: rest.limit,
            }
        })?;
        let chosen: Vec<Configuration> = configurations
            .iter()
            .zip(chosen)
            .map(|(configurations, index)| configurations[index])
            .collect();
        Ok(Strategy {
            cost: self.price(&chosen)?,
            elimination,
        })
    }

    /// Computing, and what synchronization adds to it.
    fn node_seconds(&self, node: &Node, configuration: Configuration) -> (f64, f64) {
        let compute = compute_seconds(node, configuration, &self.group);
        let synchronization =
            synchronization_seconds(node, configuration, &self.group, self.synchronization);
        let added = match self.overlap {
            true => (synchronization - compute.backward).max(0.0),
            false => synchronization,
        };
        (compute.forward + compute.backward, added)
    }

    fn check(&self, node: &Node, configuration: Configuration) -> Result<(), LayerwiseError> {
        let num_devices = self.num_devices();
        let legal = legal_configurations(node, num_devices);
        match legal.contains(&configuration) {
            true => Ok(()),
            false => Err(LayerwiseError::NotLegal {
                name: node.name.clone(),
                configuration,
                num_devices,
            }),
        }
    }
}
