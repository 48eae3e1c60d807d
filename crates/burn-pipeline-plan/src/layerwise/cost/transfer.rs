use super::{
    super::{AxisReads, Configuration, Node, Reads, Shape},
    Group,
};

/// What is moved between the parts of a layer and the parts of one that reads it, for any two
/// configurations.
///
/// Before the forward pass of its part, a device receives the part of the input that it reads and
/// does not hold; what it holds is the part of the producer on the same device. In the backward
/// pass, the gradients of the same elements go back. Nobody sends anything twice, or for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transfer {
    pub(crate) producer: Shape,
    pub(crate) consumer: Shape,
    pub(crate) reads: Reads,
    pub(crate) bytes_per_element: u64,
    /// Whether gradients go back.
    pub(crate) backward: bool,
}

impl Transfer {
    pub(crate) fn new(producer: &Node, consumer: &Node, reads: Reads) -> Self {
        Self {
            producer: producer.shape,
            consumer: consumer.shape,
            reads,
            bytes_per_element: producer.bytes_per_element,
            backward: producer.needs_gradient,
        }
    }

    /// A transfer that takes the same time for the same parts: where all of an axis is read, the
    /// size of the consumer along it does not matter. So it is that of the largest degree.
    pub(crate) fn canonical(&self, num_devices: usize) -> Self {
        let mut it = *self;
        let reads = [self.reads.channel, self.reads.height, self.reads.width];
        for (size, reads) in it.consumer.0[1..].iter_mut().zip(reads) {
            if reads == AxisReads::All {
                *size = num_devices;
            }
        }
        it
    }

    /// The bytes moved in a step, between all devices.
    pub(crate) fn bytes(&self, from: Configuration, to: Configuration) -> u64 {
        let elements = (0..to.num_parts()).map(|device| {
            let part = to.part(device, &self.consumer);
            let required = self.reads.region(&part, &self.producer);
            let held = match device < from.num_parts() {
                true => from.part(device, &self.producer).intersection(&required),
                false => return required.num_elements(),
            };
            required.num_elements() - held.num_elements()
        });
        let directions = if self.backward { 2 } else { 1 };
        directions * self.bytes_per_element * elements.sum::<u64>()
    }

    /// The time that they take. A device receives from one after the other; all devices receive
    /// at the same time, and the slowest decides, in the forward and in the backward pass.
    pub(crate) fn seconds(&self, from: Configuration, to: Configuration, group: &Group) -> f64 {
        let sources: Vec<_> = (0..from.num_parts())
            .map(|it| from.part(it, &self.producer))
            .collect();
        let mut forward = vec![0.0; to.num_parts()];
        let mut backward = vec![0.0; from.num_parts()];
        for (device, received) in forward.iter_mut().enumerate() {
            let part = to.part(device, &self.consumer);
            let required = self.reads.region(&part, &self.producer);
            for (source, held) in sources.iter().enumerate() {
                let elements = held.intersection(&required).num_elements();
                if source != device && elements > 0 {
                    let bytes = self.bytes_per_element * elements;
                    *received += group.link(source, device).seconds(bytes);
                    backward[source] += group.link(device, source).seconds(bytes);
                }
            }
        }
        let slowest = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
        match self.backward {
            true => slowest(&forward) + slowest(&backward),
            false => slowest(&forward),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cluster, DeviceSpec, Link};
    use rstest::rstest;

    /// Elements of 1 byte; a byte takes a second.
    fn transfer(reads: Reads) -> Transfer {
        Transfer {
            producer: Shape([4, 4, 8, 1]),
            consumer: Shape([4, 4, 8, 1]),
            reads,
            bytes_per_element: 1,
            backward: true,
        }
    }

    fn halo() -> Reads {
        Reads {
            height: AxisReads::Window {
                kernel: 3,
                stride: 1,
                padding: 1,
                dilation: 1,
            },
            ..Reads::SAME
        }
    }

    #[rstest]
    #[case::nothing(Reads::SAME, [2, 1, 1, 1], [2, 1, 1, 1], 0, 0.0)]
    #[case::scattered(Reads::SAME, [1, 1, 1, 1], [4, 1, 1, 1], 96, 32.0 + 96.0)]
    #[case::gathered(Reads::SAME, [4, 1, 1, 1], [1, 1, 1, 1], 96, 96.0 + 32.0)]
    #[case::exchanged(Reads::SAME, [2, 1, 1, 1], [1, 2, 1, 1], 64, 32.0 + 32.0)]
    #[case::all_channels(Reads::ALL_CHANNELS, [1, 2, 1, 1], [1, 2, 1, 1], 128, 64.0 + 64.0)]
    #[case::halo(halo(), [1, 1, 4, 1], [1, 1, 4, 1], 96, 32.0 + 32.0)]
    fn only_what_a_device_lacks_is_moved(
        #[case] reads: Reads,
        #[case] from: [usize; 4],
        #[case] to: [usize; 4],
        #[case] one_way: u64,
        #[case] seconds: f64,
    ) {
        let device = DeviceSpec {
            name: "toy".to_string(),
            flops: 1.0,
            memory_bytes: None,
        };
        let link = Link {
            latency: 0.0,
            bandwidth: 1.0,
        };
        let cluster = Cluster::uniform(4, device, link).unwrap();
        let group = Group::new(&cluster, &[0, 1, 2, 3]);
        let (from, to) = (
            Configuration::from_degrees(from),
            Configuration::from_degrees(to),
        );
        let both = transfer(reads);
        assert_eq!(both.bytes(from, to), 2 * one_way);
        assert_eq!(both.seconds(from, to, &group), seconds);
        let forward = Transfer {
            backward: false,
            ..both
        };
        assert_eq!(forward.bytes(from, to), one_way);
    }
}
