use super::{super::cost::Group, table::Time};

/// How many devices are worked on at once.
const LANES: usize = 4;

/// What the devices of a group receive with, for all devices at once.
///
/// Most of what a device receives comes over links of one kind. So the time is that of all bytes
/// over the usual link, put right for the devices with another link to it: at least itself, over
/// no link at all. In slot `s` of a device is the `s`th of these. For each slot, as for the bytes
/// of all devices and for the number of all devices, there is a vector over the receiving devices.
///
/// Vectors are cut into chunks of [`LANES`] devices, and a chunk of one vector is beside that of
/// the next. Devices repeat each other, so that most chunks occur many times: they are numbered,
/// and equal ones are worked on once.
#[derive(Debug)]
pub(super) struct Receivers {
    /// The chunks of a vector.
    pub(super) num_chunks: usize,
    /// The vectors: all bytes, all sources, and then the slots.
    num_vectors: usize,
    /// For each chunk, the first with the same costs.
    pub(super) kinds: Vec<usize>,
    /// For each slot and device, the device that it receives from.
    pub(super) partners: Vec<Vec<usize>>,
    /// Seconds per element of a vector.
    per_element: Vec<Time>,
    /// Seconds if an element is not 0.
    per_source: Vec<Time>,
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
            num_chunks,
            num_vectors,
            kinds: Vec::new(),
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
        it.kinds = (0..num_chunks).map(|chunk| it.first_like(chunk)).collect();
        it
    }

    /// The first chunk with the costs of a chunk.
    fn first_like(&self, chunk: usize) -> usize {
        let costs = |chunk: usize| {
            let place = chunk * self.chunk_len()..(chunk + 1) * self.chunk_len();
            (&self.per_element[place.clone()], &self.per_source[place])
        };
        let like = (0..chunk).find(|it| costs(*it) == costs(chunk));
        like.unwrap_or(chunk)
    }

    /// Where the element of a device is in a vector.
    pub(super) fn index(&self, device: usize, vector: usize) -> usize {
        (device / LANES * self.num_vectors + vector) * LANES + device % LANES
    }

    /// The length of all vectors together.
    pub(super) fn len(&self) -> usize {
        self.per_element.len()
    }

    /// The length of a chunk of all vectors.
    pub(super) fn chunk_len(&self) -> usize {
        self.num_vectors * LANES
    }

    /// How many chunks the first `num_devices` devices are in.
    pub(super) fn num_chunks_of(&self, num_devices: usize) -> usize {
        num_devices.div_ceil(LANES)
    }

    /// The time of the slowest device of a chunk, when each vector is a product of two.
    pub(super) fn slowest(&self, kind: usize, left: &[Time], right: &[Time]) -> Time {
        let place = kind * self.chunk_len()..(kind + 1) * self.chunk_len();
        let (left, _) = left.as_chunks::<LANES>();
        let (right, _) = right.as_chunks::<LANES>();
        let (per_element, _) = self.per_element[place.clone()].as_chunks::<LANES>();
        let (per_source, _) = self.per_source[place].as_chunks::<LANES>();
        let mut seconds = [0.0; LANES];
        // Only slots cost per source: all sources are counted in a vector of their own.
        let (left_totals, left) = left.split_at(2);
        let (right_totals, right) = right.split_at(2);
        let (per_total, per_element) = per_element.split_at(2);
        for ((left, right), per_total) in left_totals.iter().zip(right_totals).zip(per_total) {
            for lane in 0..LANES {
                seconds[lane] += left[lane] * right[lane] * per_total[lane];
            }
        }
        let slots = left.iter().zip(right).zip(per_element);
        for (((left, right), per_element), per_source) in slots.zip(&per_source[2..]) {
            // Values are whole numbers, so that the lesser of one and 1 says whether it is not 0;
            // a condition would keep the lanes apart.
            let values: [Time; LANES] = std::array::from_fn(|it| left[it] * right[it]);
            let sources = values.map(|it| if it < 1.0 { it } else { 1.0 });
            for lane in 0..LANES {
                seconds[lane] +=
                    values[lane] * per_element[lane] + sources[lane] * per_source[lane];
            }
        }
        let greater = |a: Time, b: Time| if a < b { b } else { a };
        seconds.into_iter().fold(0.0, greater)
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
