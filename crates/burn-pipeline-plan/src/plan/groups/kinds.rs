//! Groups of neighbours as the devices of a cluster, and what layers cost on them.

use crate::{
    Axis, Cluster, Configuration, DeviceSpec, Graph, Host, Layerwise, Link, Measurement,
    NodeSeconds, PlanError, Profile, Synchronization,
};

/// The devices of a cluster in groups of neighbours, and the best strategy on each kind of group.
pub(super) struct Groups {
    pub(super) devices: Vec<Vec<usize>>,
    /// For each group, which of the strategies is its.
    kinds: Vec<usize>,
    strategies: Vec<Vec<Share>>,
    /// The number of samples that the strategies are for.
    num_samples: usize,
}

/// What a layer costs on a group.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) configuration: Configuration,
    /// How long it computes, as a share of what it was measured to take on one device; how its
    /// samples are split aside.
    time: f64,
    /// The most that a member keeps of what all do; how its samples are split aside.
    elements: f64,
    /// The time that its inputs and their gradients are on their way.
    transfer: f64,
    synchronization: f64,
    parameter_bytes: u64,
}

/// Where the layers of a model are in its graph: behind a node for the input, if there is one.
pub(super) fn first_node(profile: &Profile, graph: &Graph) -> Result<usize, PlanError> {
    let nodes = graph.nodes();
    let first = profile.layers.first().map(|it| &it.name);
    let start = nodes.iter().position(|it| Some(&it.name) == first);
    let start = start.filter(|it| *it <= 1).unwrap_or(0);
    for (layer, expected) in profile.layers.iter().enumerate() {
        let found = nodes.get(start + layer).map(|it| it.name.as_str());
        if found != Some(expected.name.as_str()) {
            return Err(PlanError::GraphLayer {
                layer,
                expected: expected.name.clone(),
                found: found.unwrap_or("nothing").to_string(),
            });
        }
    }
    Ok(start)
}

impl Groups {
    pub(super) fn new(
        profile: &Profile,
        graph: &Graph,
        cluster: &Cluster,
        flops: f64,
        synchronization: Synchronization,
        group_size: usize,
    ) -> Result<Self, PlanError> {
        let all: Vec<usize> = (0..cluster.num_devices()).collect();
        let devices: Vec<Vec<usize>> = all.chunks(group_size).map(<[usize]>::to_vec).collect();
        let mut groups = Self {
            num_samples: graph.nodes()[0].shape.size(Axis::Sample),
            kinds: Vec::new(),
            strategies: Vec::new(),
            devices,
        };
        for group in 0..groups.devices.len() {
            let alike = (0..group).find(|it| groups.are_alike(cluster, *it, group));
            if let Some(known) = alike {
                groups.kinds.push(groups.kinds[known]);
                continue;
            }
            let members = &groups.devices[group];
            let factor = flops / cluster.device(members[0]).flops;
            let strategy = shares(profile, graph, cluster, factor, synchronization, members)?;
            groups.kinds.push(groups.strategies.len());
            groups.strategies.push(strategy);
        }
        Ok(groups)
    }

    fn are_alike(&self, cluster: &Cluster, a: usize, b: usize) -> bool {
        let (a, b) = (&self.devices[a], &self.devices[b]);
        let device = |it: usize| {
            let it = cluster.device(it);
            (it.flops, it.memory_bytes)
        };
        let mut members = 0..a.len();
        members.all(|i| {
            let mut others = 0..a.len();
            device(a[i]) == device(b[i])
                && others.all(|j| cluster.link(a[i], a[j]) == cluster.link(b[i], b[j]))
        })
    }

    /// The groups as devices: with the memory of the smallest member, and the slowest link between
    /// the members of two groups. Their speeds only tell kinds apart. Groups of one device keep their
    /// links as they are.
    pub(super) fn cluster(&self, cluster: &Cluster) -> Result<Cluster, PlanError> {
        if self.devices.iter().all(|it| it.len() == 1) {
            let device = |group: usize, it: &DeviceSpec| DeviceSpec {
                flops: speed(self.kinds[group]),
                ..it.clone()
            };
            return Ok(cluster.clone().with_devices(device));
        }
        let device = |(members, &kind): (&Vec<usize>, &usize)| {
            let first = cluster.device(members[0]);
            let limits = members.iter().map(|it| cluster.device(*it).memory_bytes);
            DeviceSpec {
                name: format!("{} {}", members.len(), first.name),
                flops: speed(kind),
                memory_bytes: limits.flatten().min(),
            }
        };
        let devices = self.devices.iter().zip(&self.kinds).map(device).collect();
        let link = Link::NONE;
        let mut groups = Cluster::new(vec![Host { devices, link }], link)?;
        for from in 0..self.devices.len() {
            for to in (0..self.devices.len()).filter(|it| *it != from) {
                let members = self.devices[from].iter();
                let links = members.flat_map(|a| {
                    let others = self.devices[to].iter();
                    others.map(|b| cluster.link(*a, *b))
                });
                let slowest = links.reduce(|a, b| Link {
                    latency: a.latency.max(b.latency),
                    bandwidth: a.bandwidth.min(b.bandwidth),
                });
                groups = groups.with_link(from, to, slowest.unwrap_or(link))?;
            }
        }
        Ok(groups)
    }

    /// The model with the parameters that a member holds of each layer: the most of any kind.
    pub(super) fn profile(&self, profile: &Profile) -> Profile {
        let mut profile = profile.clone();
        for (layer, it) in profile.layers.iter_mut().enumerate() {
            let kinds = self.strategies.iter();
            let bytes = kinds.map(|it| it[layer].parameter_bytes);
            it.parameter_bytes = bytes.max().unwrap_or(it.parameter_bytes);
        }
        profile
    }

    pub(super) fn share(&self, group: usize, layer: usize) -> Option<&Share> {
        self.strategies[self.kinds[group]].get(layer)
    }

    /// What was measured, on a group. The loss, behind the last layer, is on one device.
    pub(super) fn on(
        &self,
        layer: usize,
        group: usize,
        factor: f64,
        it: Measurement,
    ) -> Measurement {
        let Some(share) = self.share(group, layer) else {
            return Measurement {
                forward: factor * it.forward,
                recorded_forward: factor * it.recorded_forward,
                backward: factor * it.backward,
                pull_back: factor * it.pull_back,
                ..it
            };
        };
        let most_samples = share_of_samples(it.num_samples, share.configuration);
        let time = factor * share.time * most_samples;
        let elements = share.elements * most_samples;
        let samples = it.num_samples as f64 / self.num_samples as f64;
        let one_way = share.transfer / 2.0 * samples;
        Measurement {
            forward: time * it.forward + one_way,
            recorded_forward: time * it.recorded_forward + one_way,
            backward: time * it.backward + one_way + share.synchronization,
            pull_back: time * it.pull_back,
            activation_bytes: (elements * it.activation_bytes as f64).ceil() as u64,
            // Part of it is as large as the parameters that a member holds.
            working_bytes: it.working_bytes.map(|it| {
                it.map(|bytes| {
                    let shared = (elements * bytes as f64).ceil() as u64;
                    shared.max(share.parameter_bytes.min(bytes))
                })
            }),
            ..it
        }
    }
}

/// What tells a kind of group from others.
fn speed(kind: usize) -> f64 {
    (1 + kind) as f64
}

/// The share of a micro-batch that is in its largest part. A part has at least one sample: with fewer
/// samples than parts, some members have nothing to do.
fn share_of_samples(num_samples: usize, configuration: Configuration) -> f64 {
    let num_samples = num_samples.max(1);
    let most = num_samples.div_ceil(configuration.degree(Axis::Sample));
    most as f64 / num_samples as f64
}

/// The best strategy on a group, for measured times that `factor` turns into those of its first
/// device.
fn shares(
    profile: &Profile,
    graph: &Graph,
    cluster: &Cluster,
    factor: f64,
    synchronization: Synchronization,
    members: &[usize],
) -> Result<Vec<Share>, PlanError> {
    let start = first_node(profile, graph)?;
    let mut nodes = graph.nodes().to_vec();
    let num_samples = nodes[0].shape.size(Axis::Sample);
    let mut whole = Vec::new();
    for (layer, node) in nodes[start..]
        .iter_mut()
        .take(profile.num_layers())
        .enumerate()
    {
        let it = profile.at(layer, num_samples);
        let (forward, backward) = (factor * it.recorded_forward, factor * it.backward);
        node.seconds = Some(NodeSeconds { forward, backward });
        whole.push(forward + backward);
    }
    let graph = Graph::new(nodes)?;
    let layerwise = Layerwise::new(&graph, cluster, members)?;
    let strategy = layerwise.with_synchronization(synchronization).search()?;
    let costs = &strategy.cost.layers;
    let layers = whole.iter().enumerate().map(|(layer, &whole)| {
        let (node, cost) = (&graph.nodes()[start + layer], &costs[start + layer]);
        let degrees = Axis::ALL.into_iter().zip(cost.configuration.degrees());
        let parts = degrees.map(|(axis, degree)| {
            let size = node.shape.size(axis);
            match axis {
                Axis::Sample => 1.0,
                _ => size.div_ceil(degree) as f64 / size as f64,
            }
        });
        let elements: f64 = parts.product();
        let most_samples = share_of_samples(node.shape.size(Axis::Sample), cost.configuration);
        let slices = match node.splits_parameters {
            true => cost.configuration.degree(Axis::Channel) as u64,
            false => 1,
        };
        // What comes after the layers gathers what the last one makes.
        let behind = costs[start + layer + 1..].iter();
        let gathered: f64 = match layer + 1 == profile.num_layers() {
            true => behind.map(|it| it.transfer_seconds).sum(),
            false => 0.0,
        };
        Share {
            configuration: cost.configuration,
            time: if whole > 0.0 {
                cost.compute_seconds / whole / most_samples
            } else {
                elements
            },
            elements,
            transfer: cost.transfer_seconds + gathered,
            synchronization: cost.synchronization_seconds,
            parameter_bytes: profile.layers[layer].parameter_bytes.div_ceil(slices),
        }
    });
    Ok(layers.collect())
}
