use std::collections::BTreeMap;

use super::{
    super::cost::Transfer,
    axis_key::AxisKey,
    axis_vectors::AxisVectors,
    chunks::Products,
    digits::{Digit, Digits},
    images::{Image, Parts, images, turned},
    layouts::Layouts,
    receivers::Receivers,
    table::{Table, Time},
};
use crate::{AxisReads, Configuration};

/// Makes the tables of edges: the time of a [`Transfer`] for each pair of configurations.
///
/// What two parts share is a product over the axes, so the vectors of [`Receivers`] for a pair of
/// configurations are products of those of the axes; those are kept for the next edges.
///
/// # Complexity
///
/// Pairs x devices x devices with an unusual link to one.
pub(super) struct TransferTables<'a> {
    receivers: &'a Receivers,
    digits: Digits,
    /// Of the samples, and of the other axes.
    layouts: [Layouts<'a>; 2],
    axes: [Option<AxisVectors>; 4],
    /// Those of edges before the last.
    kept: BTreeMap<AxisKey, AxisVectors>,
    /// Of the vectors of height and width, and of those with that of the channels.
    positions: Products,
    product: Products,
    /// For each chunk along the samples and each of `product`: its time, if it was worked out for
    /// the products with this number.
    known: Vec<(u64, Time)>,
    num_products: u64,
}

impl<'a> TransferTables<'a> {
    pub(super) fn new(receivers: &'a Receivers, num_devices: usize) -> Self {
        let digits = Digits::new(num_devices);
        Self {
            receivers,
            layouts: [true, false].map(|it| Layouts::new(receivers, digits.clone(), it)),
            digits,
            axes: [const { None }; 4],
            kept: BTreeMap::new(),
            positions: Products::default(),
            product: Products::default(),
            known: Vec::new(),
            num_products: 0,
        }
    }

    /// The table of an edge, with a row for each configuration of its producer.
    pub(super) fn table(
        &mut self,
        transfer: &Transfer,
        from: &[Configuration],
        to: &[Configuration],
    ) -> Table {
        for (axis, key) in self.axes.iter_mut().zip(keys(transfer)) {
            if axis.as_ref().is_some_and(|it| *it.key() == key) {
                continue;
            }
            let known = self.kept.remove(&key);
            let vectors = known.unwrap_or_else(|| AxisVectors::new(key, &self.layouts[0]));
            if let Some(before) = axis.replace(vectors) {
                self.kept.insert(*before.key(), before);
            }
        }
        let (from_images, to_images) = (images(from, &self.digits), images(to, &self.digits));
        let mut data = vec![0.0; from.len() * to.len()];
        let [_, _, rows, columns] = keys(transfer);
        let turned = |images: &[Image]| match rows.is_like(&columns) {
            true => turned(images),
            false => vec![None; images.len()],
        };
        let (from_turned, to_turned) = (turned(&from_images), turned(&to_images));
        for (i, from_image) in from_images.iter().enumerate() {
            for (j, to_image) in to_images.iter().enumerate() {
                // Heights and widths are multiplied: to turn both images changes nothing.
                let turned = from_turned[i].zip(to_turned[j]);
                if let Some((a, b)) = turned.filter(|it| *it < (i, j)) {
                    let place = |row: usize, column: usize| row * to.len() + column;
                    for (row, like_row) in from_image.places().zip(from_images[a].places()) {
                        for (column, like) in to_image.places().zip(to_images[b].places()) {
                            data[place(row, column)] = data[place(like_row, like)];
                        }
                    }
                    continue;
                }
                self.multiply_positions(from_image, to_image);
                for from_run in &from_image.runs {
                    for to_run in &to_image.runs {
                        self.multiply_channels(from_run.channel, to_run.channel);
                        for (row, from_part) in &from_run.parts {
                            for (column, to_part) in &to_run.parts {
                                let time = self.time(from_part, to_part, transfer.backward);
                                data[row * to.len() + column] = time;
                            }
                        }
                    }
                }
            }
        }
        Table::new(to.len(), data)
    }

    fn multiply_positions(&mut self, from: &Image, to: &Image) {
        let length = self.receivers.chunk_len();
        let [_, _, rows, columns] = &mut self.axes;
        let layouts = &mut self.layouts[1];
        let (rows, row) = vectors(rows).of(to.row, from.row, layouts);
        let (columns, column) = vectors(columns).of(to.column, from.column, layouts);
        self.positions.multiply(
            &self.receivers.kinds,
            (row, |it| rows.at(it, length)),
            (column, |it| columns.at(it, length)),
        );
    }

    fn multiply_channels(&mut self, from: Digit, to: Digit) {
        let length = self.receivers.chunk_len();
        let (channels, channel) = vectors(&mut self.axes[1]).of(to, from, &mut self.layouts[1]);
        let positions = &self.positions;
        self.num_products += 1;
        self.product.multiply(
            &self.receivers.kinds,
            (&positions.numbers, |it| positions.at(it, length)),
            (channel, |it| channels.at(it, length)),
        );
    }

    fn time(&mut self, from: &Parts, to: &Parts, backward: bool) -> Time {
        let (length, num_chunks) = (self.receivers.chunk_len(), self.receivers.num_chunks);
        let samples = vectors(&mut self.axes[0]);
        let (samples, sample) = samples.of(to.sample, from.sample, &mut self.layouts[0]);
        let (product, receivers, known) = (&self.product, self.receivers, &mut self.known);
        let num_products = self.num_products;
        let needed = samples.len() * 2 * num_chunks;
        if known.len() < needed {
            known.resize(needed, (0, 0.0));
        }
        let mut slowest = |first: usize, num_devices: usize| {
            let place = first..first + receivers.num_chunks_of(num_devices);
            let numbers = product.numbers[place.clone()].iter().zip(&sample[place]);
            let mut slowest = 0.0;
            for (&left, &right) in numbers {
                let known = &mut known[right as usize * 2 * num_chunks + left as usize];
                if known.0 != num_products {
                    let kind = product.kind(left);
                    let (left, right) = (product.at(left, length), samples.at(right, length));
                    *known = (num_products, receivers.slowest(kind, left, right));
                }
                slowest = if known.1 > slowest { known.1 } else { slowest };
            }
            slowest
        };
        let forward = slowest(0, to.num_parts);
        match backward {
            true => forward + slowest(num_chunks, from.num_parts),
            false => forward,
        }
    }
}

fn vectors(axis: &mut Option<AxisVectors>) -> &mut AxisVectors {
    let axis = axis.as_mut();
    axis.expect("the vectors of each axis are made first")
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

#[cfg(test)]
mod tests {
    use super::{
        super::super::{cost::Group, legal::legal_configurations},
        *,
    };
    use crate::{Axis, Cluster, DeviceSpec, Host, Link, Node, Reads, Shape};
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
        (
            1..7usize,
            1..7usize,
            1..7usize,
            1..7usize,
            any::<(bool, bool)>(),
        )
            .prop_flat_map(|(n, c, h, w, (backward, is_square))| {
                let w = if is_square { h } else { w };
                let sizes = Just((n, c, h, w, backward));
                (sizes, along(c), along(h), along(w), Just(is_square))
            })
            .prop_map(
                |((n, c, h, w, backward), channel, height, width, is_square)| {
                    let width = if is_square { height } else { width };
                    Transfer {
                        producer: Shape([n, c, h, w]),
                        consumer: Shape([n, channel.0, height.0, width.0]),
                        reads: Reads {
                            channel: channel.1,
                            height: height.1,
                            width: width.1,
                        },
                        bytes_per_element: 4,
                        backward,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn a_table_has_the_time_of_each_pair(
            group in group(),
            transfers in prop::collection::vec(transfer(), 1..4),
        ) {
            let num_devices = group.num_devices();
            let configurations = |shape| {
                let node = Node {
                    axes: Axis::ALL.to_vec(),
                    ..Node::new("toy", shape)
                };
                legal_configurations(&node, num_devices)
            };
            let receivers = Receivers::new(&group);
            let mut tables = TransferTables::new(&receivers, num_devices);
            // The first once more, from what was kept.
            for transfer in transfers.iter().chain(&transfers[..1]) {
                let from = configurations(transfer.producer);
                let to = configurations(transfer.consumer);
                let table = tables.table(transfer, &from, &to);
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
}
