use super::{
    super::{Configuration, Node, NodeSeconds},
    Group,
};

/// The time that a layer computes for, forward and backward: its largest part on the slowest of
/// its devices.
pub(crate) fn compute_seconds(
    node: &Node,
    configuration: Configuration,
    group: &Group,
) -> NodeSeconds {
    let devices = 0..configuration.num_parts();
    let slowest = devices
        .map(|it| group.flops(it))
        .fold(f64::INFINITY, f64::min);
    let share: f64 = node
        .shape
        .0
        .into_iter()
        .zip(configuration.degrees())
        .map(|(size, degree)| size.div_ceil(degree) as f64 / size as f64)
        .product();
    let whole = node.seconds.unwrap_or_else(|| NodeSeconds {
        forward: node.forward_flops as f64 / group.flops(0),
        backward: node.backward_flops as f64 / group.flops(0),
    });
    let factor = share * group.flops(0) / slowest;
    NodeSeconds {
        forward: whole.forward * factor,
        backward: whole.backward * factor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cluster, DeviceSpec, Host, Link, Shape};

    #[test]
    fn the_largest_part_on_the_slowest_device_decides() {
        let device = |flops| DeviceSpec {
            name: "toy".to_string(),
            flops,
            memory_bytes: None,
        };
        let host = Host {
            devices: vec![device(2.0), device(1.0)],
            link: Link::NONE,
        };
        let cluster = Cluster::new(vec![host], Link::NONE).unwrap();
        let group = Group::new(&cluster, &[0, 1]);
        let node = Node {
            forward_flops: 30,
            backward_flops: 60,
            ..Node::new("toy", Shape([3, 1, 1, 1]))
        };
        let seconds = |node: &Node, configuration| {
            let it = compute_seconds(node, configuration, &group);
            (it.forward, it.backward)
        };
        assert_eq!(seconds(&node, Configuration::WHOLE), (15.0, 30.0));
        assert_eq!(seconds(&node, Configuration::by_sample(2)), (20.0, 40.0));
        let measured = Node {
            seconds: Some(NodeSeconds {
                forward: 6.0,
                backward: 3.0,
            }),
            ..node
        };
        assert_eq!(seconds(&measured, Configuration::by_sample(2)), (8.0, 4.0));
    }
}
