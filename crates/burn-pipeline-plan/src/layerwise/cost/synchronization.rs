use serde::{Deserialize, Serialize};

use super::{
    super::{Configuration, Node},
    Group,
};

/// How the replicas of a layer's parameters sum their gradients.
///
/// Either way, `r` replicas of so many bytes move `2 (r - 1)` times these bytes: the sum is made,
/// and everyone gets it. Slices of parameters that are split are synchronized at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Synchronization {
    /// In a ring over the replicas, in the order of their devices: each of `2 (r - 1)` rounds
    /// moves an `r`th of the bytes over each link, as slowly as the slowest.
    #[default]
    Ring,
    /// Through the first replica, which receives the gradients of the others one after the other
    /// and sends them the parameters in the same way: Jia et al. (2018), section 5.
    ParameterServer,
}

/// The number of replicas of each parameter, and the number of slices.
fn replicas(node: &Node, configuration: Configuration) -> (usize, usize) {
    match (node.parameter_bytes, node.splits_parameters) {
        (0, _) => (1, 1),
        (_, true) => {
            let slices = configuration.channel;
            (configuration.num_parts() / slices, slices)
        }
        (_, false) => (configuration.num_parts(), 1),
    }
}

/// The bytes that the synchronization of a layer's gradients moves, between all devices.
pub(crate) fn synchronization_bytes(node: &Node, configuration: Configuration) -> u64 {
    let (num_replicas, _) = replicas(node, configuration);
    2 * (num_replicas as u64 - 1) * node.parameter_bytes
}

/// The time that the synchronization of a layer's gradients takes: that of its slowest slice.
pub(crate) fn synchronization_seconds(
    node: &Node,
    configuration: Configuration,
    group: &Group,
    synchronization: Synchronization,
) -> f64 {
    let (num_replicas, num_slices) = replicas(node, configuration);
    if num_replicas == 1 {
        return 0.0;
    }
    let [_, channels, ..] = node.shape.0;
    let share = channels.div_ceil(num_slices) as f64 / channels as f64;
    let bytes = node.parameter_bytes as f64 * if num_slices > 1 { share } else { 1.0 };
    // Parts differ in their channel every `inner` parts.
    let inner = match num_slices {
        1 => 1,
        _ => configuration.height * configuration.width,
    };
    let device = |slice: usize, replica: usize| {
        (replica / inner * num_slices + slice) * inner + replica % inner
    };
    let slices = (0..num_slices).map(|slice| match synchronization {
        Synchronization::Ring => {
            let links = (0..num_replicas).map(|it| {
                let next = (it + 1) % num_replicas;
                group.link(device(slice, it), device(slice, next))
            });
            let (latency, bandwidth) = links.fold((0.0, f64::INFINITY), |worst: (f64, f64), it| {
                (worst.0.max(it.latency), worst.1.min(it.bandwidth))
            });
            let rounds = 2.0 * (num_replicas as f64 - 1.0);
            rounds * (latency + bytes / num_replicas as f64 / bandwidth)
        }
        Synchronization::ParameterServer => {
            let server = device(slice, 0);
            let both_ways = (1..num_replicas).map(|it| {
                let it = device(slice, it);
                let (there, back) = (group.link(it, server), group.link(server, it));
                there.latency + bytes / there.bandwidth + back.latency + bytes / back.bandwidth
            });
            both_ways.sum()
        }
    });
    slices.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cluster, DeviceSpec, Host, Link, Shape};
    use rstest::rstest;

    /// Two hosts with two devices each.
    fn group() -> Group {
        let device = DeviceSpec {
            name: "toy".to_string(),
            flops: 1.0,
            memory_bytes: None,
        };
        let host = Host {
            devices: vec![device; 2],
            link: Link {
                latency: 1.0,
                bandwidth: 8.0,
            },
        };
        let network = Link {
            latency: 2.0,
            bandwidth: 4.0,
        };
        let cluster = Cluster::new(vec![host.clone(), host], network).unwrap();
        Group::new(&cluster, &[0, 1, 2, 3])
    }

    fn node(splits_parameters: bool) -> Node {
        Node {
            parameter_bytes: 96,
            splits_parameters,
            ..Node::new("toy", Shape([4, 4, 4, 4]))
        }
    }

    #[rstest]
    #[case::whole([1, 1, 1, 1], true, 0, 0.0, 0.0)]
    #[case::within_a_host([2, 1, 1, 1], true, 192, 2.0 * (1.0 + 6.0), 2.0 * (1.0 + 12.0))]
    #[case::all([4, 1, 1, 1], true, 576, 6.0 * (2.0 + 6.0), 2.0 * (13.0 + 26.0 + 26.0))]
    #[case::channels_apart([1, 2, 1, 2], true, 192, 2.0 * (1.0 + 3.0), 2.0 * (1.0 + 6.0))]
    #[case::channels_beside([2, 2, 1, 1], true, 192, 2.0 * (2.0 + 6.0), 2.0 * (2.0 + 12.0))]
    #[case::only_channels([1, 4, 1, 1], true, 0, 0.0, 0.0)]
    #[case::copied([1, 2, 1, 1], false, 192, 2.0 * (1.0 + 6.0), 2.0 * (1.0 + 12.0))]
    fn replicas_are_synchronized_over_their_slowest_link(
        #[case] degrees: [usize; 4],
        #[case] splits_parameters: bool,
        #[case] bytes: u64,
        #[case] ring: f64,
        #[case] server: f64,
    ) {
        let (node, it) = (
            node(splits_parameters),
            Configuration::from_degrees(degrees),
        );
        assert_eq!(synchronization_bytes(&node, it), bytes);
        let seconds = |mode| synchronization_seconds(&node, it, &group(), mode);
        assert_eq!(seconds(Synchronization::Ring), ring);
        assert_eq!(seconds(Synchronization::ParameterServer), server);
    }
}
