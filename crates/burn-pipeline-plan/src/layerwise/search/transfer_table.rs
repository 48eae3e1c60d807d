use std::ops::Range;

use super::{
    super::cost::Transfer,
    axis_vectors::{AxisKey, AxisVectors, Digit},
    receivers::Receivers,
    table::{Table, Time},
};
use crate::{AxisReads, Configuration};

/// Makes the tables of edges: the time of a [`Transfer`] for each pair of configurations.
///
/// What two parts share is a product over the axes, so the work per pair of configurations is a
/// product of vectors over the devices; those of the last edge's axes are kept for the next.
///
/// # Complexity
///
/// Pairs x devices x devices with an unusual link to one.
pub(super) struct TransferTables<'a> {
    receivers: &'a Receivers,
    num_devices: usize,
    axes: [Option<AxisVectors>; 4],
    product: Vec<Time>,
}

/// Configurations one behind the other that differ in their samples alone.
struct Run {
    /// Along channel, height and width.
    digits: [Digit; 3],
    /// The parts of a sample.
    inner: usize,
    configurations: Range<usize>,
}

impl<'a> TransferTables<'a> {
    pub(super) fn new(receivers: &'a Receivers, num_devices: usize) -> Self {
        Self {
            receivers,
            num_devices,
            axes: [const { None }; 4],
            product: vec![0.0; 2 * receivers.len()],
        }
    }

    /// The table of an edge, with a row for each configuration of its producer.
    pub(super) fn table(
        &mut self,
        transfer: &Transfer,
        from: &[Configuration],
        to: &[Configuration],
    ) -> Table {
        let [samples, channels, rows, columns] = &mut self.axes;
        for (axis, (kept, key)) in [samples, channels, rows, columns]
            .into_iter()
            .zip(keys(transfer))
            .enumerate()
        {
            debug_assert_eq!(axis, key.axis);
            if kept.as_ref().is_none_or(|it| *it.key() != key) {
                *kept = Some(AxisVectors::new(key, self.num_devices));
            }
        }
        let (runs_from, runs_to) = (runs(from), runs(to));
        let mut data = vec![0.0; from.len() * to.len()];
        for run_from in &runs_from {
            for run_to in &runs_to {
                self.multiply(run_from, run_to);
                for row in run_from.configurations.clone() {
                    for column in run_to.configurations.clone() {
                        let digit_from = (from[row].sample, run_from.inner);
                        let digit_to = (to[column].sample, run_to.inner);
                        let parts = (from[row].num_parts(), to[column].num_parts());
                        let time = self.time(digit_from, digit_to, parts, transfer.backward);
                        data[row * to.len() + column] = time;
                    }
                }
            }
        }
        Table::new(to.len(), data)
    }

    /// The products of the vectors of channel, height and width.
    fn multiply(&mut self, from: &Run, to: &Run) {
        let [_, channels, rows, columns] = &mut self.axes;
        let vectors = [channels, rows, columns];
        for (index, kept) in vectors.into_iter().enumerate() {
            let kept = kept
                .as_mut()
                .expect("the vectors of each axis are made first");
            let place = kept.of(to.digits[index], from.digits[index], self.receivers);
            let factors = kept.at(place);
            match index {
                0 => self.product.copy_from_slice(factors),
                _ => {
                    let pairs = self.product.iter_mut().zip(factors);
                    pairs.for_each(|(product, factor)| *product *= factor);
                }
            }
        }
    }

    fn time(&mut self, from: Digit, to: Digit, parts: (usize, usize), backward: bool) -> Time {
        let samples = self.axes[0].as_mut();
        let samples = samples.expect("the vectors of each axis are made first");
        let place = samples.of(to, from, self.receivers);
        let length = self.receivers.len();
        let (forward, back) = samples.at(place).split_at(length);
        let (left, left_back) = self.product.split_at(length);
        let time = self.receivers.slowest(left, forward, parts.1);
        match backward {
            true => time + self.receivers.slowest(left_back, back, parts.0),
            false => time,
        }
    }
}

/// What the vectors of each axis depend on: edges in the order of these share the most.
pub(super) fn keys(transfer: &Transfer) -> [AxisKey; 4] {
    let reads = transfer.reads;
    let reads = [AxisReads::Same, reads.channel, reads.height, reads.width];
    std::array::from_fn(|axis| {
        AxisKey::new(
            axis,
            &transfer.producer,
            &transfer.consumer,
            reads[axis],
            transfer.bytes_per_element,
        )
    })
}

fn runs(configurations: &[Configuration]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, it) in configurations.iter().enumerate() {
        let digits = [
            (it.channel, it.height * it.width),
            (it.height, it.width),
            (it.width, 1),
        ];
        match runs.last_mut() {
            Some(run) if run.digits == digits => run.configurations.end = index + 1,
            _ => runs.push(Run {
                digits,
                inner: it.channel * it.height * it.width,
                configurations: index..index + 1,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{cost::Group, legal::legal_configurations},
        *,
    };
    use crate::{Axis, Cluster, DeviceSpec, Host, Link, Reads, Shape};
    use proptest::prelude::*;

    fn link() -> impl Strategy<Value = Link> {
        (0..4u8, 1..4u8).prop_map(|(latency, bandwidth)| Link {
            latency: f64::from(latency),
            bandwidth: f64::from(bandwidth),
        })
    }

    /// Devices on hosts, some of them with measured links.
    fn group() -> impl Strategy<Value = Group> {
        let sizes = prop::collection::vec((1..4usize, link()), 1..4);
        let measured = prop::collection::vec((0..12usize, 0..12usize, link()), 0..3);
        (sizes, link(), measured).prop_map(|(sizes, network, measured)| {
            let device = DeviceSpec {
                name: "toy".to_string(),
                flops: 1.0,
                memory_bytes: None,
            };
            let host = |(size, link): (usize, Link)| Host {
                devices: vec![device.clone(); size],
                link,
            };
            let hosts = sizes.into_iter().map(host).collect();
            let mut cluster = Cluster::new(hosts, network).unwrap();
            let num_devices = cluster.num_devices();
            for (from, to, link) in measured {
                if from.max(to) < num_devices && from != to {
                    cluster = cluster.with_link(from, to, link).unwrap();
                }
            }
            Group::new(&cluster, &(0..num_devices).collect::<Vec<_>>())
        })
    }

    fn along(size: usize) -> impl Strategy<Value = (usize, AxisReads)> {
        let window = (1..4usize, 1..3usize, 0..2usize, 1..3usize);
        let window = window.prop_filter_map("fits", move |(kernel, stride, padding, dilation)| {
            let covers = (kernel - 1) * dilation + 1;
            let padded = (size + 2 * padding).checked_sub(covers)?;
            let reads = AxisReads::Window {
                kernel,
                stride,
                padding,
                dilation,
            };
            Some((padded / stride + 1, reads))
        });
        prop_oneof![
            Just((size, AxisReads::Same)),
            (1..9usize).prop_map(|size| (size, AxisReads::All)),
            (0..4usize, 0..4usize).prop_map(move |(offset, behind)| {
                (offset + size + behind, AxisReads::Offset { offset })
            }),
            window,
        ]
    }

    fn transfer() -> impl Strategy<Value = Transfer> {
        (1..7usize, 1..7usize, 1..7usize, 1..7usize, any::<bool>())
            .prop_flat_map(|(n, c, h, w, backward)| {
                (Just((n, c, h, w, backward)), along(c), along(h), along(w))
            })
            .prop_map(
                |((n, c, h, w, backward), channel, height, width)| Transfer {
                    producer: Shape([n, c, h, w]),
                    consumer: Shape([n, channel.0, height.0, width.0]),
                    reads: Reads {
                        channel: channel.1,
                        height: height.1,
                        width: width.1,
                    },
                    bytes_per_element: 4,
                    backward,
                },
            )
    }

    proptest! {
        #[test]
        fn a_table_has_the_time_of_each_pair(group in group(), transfer in transfer()) {
            let num_devices = group.num_devices();
            let from = legal_configurations(&transfer.producer, &Axis::ALL, num_devices);
            let to = legal_configurations(&transfer.consumer, &Axis::ALL, num_devices);
            let receivers = Receivers::new(&group);
            let mut tables = TransferTables::new(&receivers, num_devices);
            let table = tables.table(&transfer, &from, &to);
            for (row, &a) in from.iter().enumerate() {
                for (column, &b) in to.iter().enumerate() {
                    let expected = transfer.seconds(a, b, &group);
                    let found = table.at(row, column);
                    prop_assert!(
                        (found - expected).abs() <= 1e-9 * (1.0 + expected),
                        "{a} to {b}: {found}, not {expected}"
                    );
                }
            }
        }
    }
}
