use super::{super::cost::Group, table::Time};

/// How many devices are worked on at once.
pub(super) const LANES: usize = 8;

/// What the devices of a group receive with, for all devices at once.
///
/// Most of what a device receives comes over links of one kind. So the time is that of all bytes
/// over the usual link, put right for the devices with another link to it: at least itself, over
/// no link at all. In slot `s` of a device is the `s`th of these. For each slot, as for the bytes
/// of all devices and for the number of all devices, there is a vector over the receiving devices.
///
/// Vectors are cut into chunks of [`LANES`] devices, and a chunk of one vector is beside that of
/// the next.
#[derive(Debug)]
pub(super) struct Receivers {
    /// The vectors: all bytes, all sources, and then the slots.
    pub(super) num_vectors: usize,
    /// For each slot and device, the device that it receives from.
    pub(super) partners: Vec<Vec<usize>>,
    /// Seconds per element of a vector.
    pub(super) per_element: Vec<Time>,
    /// Seconds if an element is not 0.
    pub(super) per_source: Vec<Time>,
}

impl Receivers {
    pub(super) fn new(group: &Group) -> Self {
        let num_devices = group.num_devices();
        let usual: Vec<_> = (0..num_devices).map(|it| usual_link(group, it)).collect();
        let unusual: Vec<Vec<usize>> = (0..num_devices)
            .map(|to| {
                let others = (0..num_devices).filter(|&from| from != to);
                let others = others.filter(|&from| group.link(from, to) != usual[to]);
                std::iter::once(to).chain(others).collect()
            })
            .collect();
        let num_slots = unusual.iter().map(Vec::len).max().unwrap_or(0);
        let num_chunks = num_devices.div_ceil(LANES);
        let num_vectors = 2 + num_slots;
        let mut it = Self {
            num_vectors,
            partners: vec![(0..num_devices).collect(); num_slots],
            per_element: vec![0.0; num_chunks * num_vectors * LANES],
            per_source: vec![0.0; num_chunks * num_vectors * LANES],
        };
        for to in 0..num_devices {
            let (byte, source) = (1.0 / usual[to].bandwidth, usual[to].latency);
            let (bytes, sources) = (it.index(to, 0), it.index(to, 1));
            it.per_element[bytes] = byte as Time;
            it.per_element[sources] = source as Time;
            for (slot, &from) in unusual[to].iter().enumerate() {
                let link = group.link(from, to);
                let (link_byte, link_source) = match from == to {
                    true => (0.0, 0.0),
                    false => (1.0 / link.bandwidth, link.latency),
                };
                let index = it.index(to, 2 + slot);
                it.partners[slot][to] = from;
                it.per_element[index] = (link_byte - byte) as Time;
                it.per_source[index] = (link_source - source) as Time;
            }
        }
        it
    }

    /// Where the element of a device is in a vector.
    pub(super) fn index(&self, device: usize, vector: usize) -> usize {
        (device / LANES * self.num_vectors + vector) * LANES + device % LANES
    }

    /// The length of all vectors together.
    pub(super) fn len(&self) -> usize {
        self.per_element.len()
    }

    /// The time of the slowest of the first `num_receivers` devices, when each vector is a product
    /// of two.
    pub(super) fn slowest(&self, left: &[Time], right: &[Time], num_receivers: usize) -> Time {
        let length = num_receivers.div_ceil(LANES) * self.num_vectors * LANES;
        let chunk = self.num_vectors * LANES;
        let mut slowest = [0.0; LANES];
        let chunks = left[..length]
            .chunks_exact(chunk)
            .zip(right[..length].chunks_exact(chunk));
        let costs = self.per_element[..length]
            .chunks_exact(chunk)
            .zip(self.per_source[..length].chunks_exact(chunk));
        for ((left, right), (per_element, per_source)) in chunks.zip(costs) {
            let (left, _) = left.as_chunks::<LANES>();
            let (right, _) = right.as_chunks::<LANES>();
            let (per_element, _) = per_element.as_chunks::<LANES>();
            let (per_source, _) = per_source.as_chunks::<LANES>();
            let mut seconds = [0.0; LANES];
            let vectors = left.iter().zip(right).zip(per_element).zip(per_source);
            for (((left, right), per_element), per_source) in vectors {
                for lane in 0..LANES {
                    let value = left[lane] * right[lane];
                    let source = if value > 0.0 { per_source[lane] } else { 0.0 };
                    seconds[lane] += value * per_element[lane] + source;
                }
            }
            for lane in 0..LANES {
                let it = seconds[lane];
                slowest[lane] = if it > slowest[lane] {
                    it
                } else {
                    slowest[lane]
                };
            }
        }
        slowest.into_iter().fold(0.0, Time::max)
    }
}

/// The link over which most other devices send to one.
fn usual_link(group: &Group, to: usize) -> crate::Link {
    let mut kinds: Vec<(crate::Link, usize)> = Vec::new();
    for from in (0..group.num_devices()).filter(|&from| from != to) {
        let link = group.link(from, to);
        match kinds.iter_mut().find(|it| it.0 == link) {
            Some(kind) => kind.1 += 1,
            None => kinds.push((link, 1)),
        }
    }
    let usual = kinds.into_iter().max_by_key(|it| it.1);
    usual.map_or(crate::Link::NONE, |it| it.0)
}
