use super::{chunks::Chunks, receivers::Receivers, table::Time};
use crate::{AxisReads, Configuration, Shape};

/// Where the parts of a configuration along one axis are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digit {
    degree: usize,
    /// After how many devices the next part begins.
    stride: usize,
    number: usize,
}

/// What parts of a producer and parts of a consumer have in common along one axis, as vectors over
/// devices: the vectors of [`Receivers`] are the products of those of the four axes.
///
/// For a digit of the consumer and one of the producer there are the vectors of the forward pass,
/// in which the devices of the consumer receive, and those of the backward pass behind them.
pub(super) struct AxisVectors {
    key: AxisKey,
    digits: Digits,
    /// Where the chunks of a pair of digits are; those that nobody asked for are not made.
    places: Vec<Option<usize>>,
    chunks: Chunks,
    overlaps: Vec<Option<Overlaps>>,
}

/// What the vectors depend on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct AxisKey {
    /// Of [`Axis::ALL`](crate::Axis::ALL).
    pub(super) axis: usize,
    pub(super) producer: usize,
    pub(super) consumer: usize,
    /// The reads, as numbers.
    reads: [usize; 5],
    /// What elements are multiplied with: only along the samples.
    bytes: u64,
}

impl AxisKey {
    pub(super) fn new(
        axis: usize,
        producer: &Shape,
        consumer: &Shape,
        reads: AxisReads,
        bytes: u64,
    ) -> Self {
        let reads = match reads {
            AxisReads::Same => [0; 5],
            AxisReads::All => [1, 0, 0, 0, 0],
            AxisReads::Window {
                kernel,
                stride,
                padding,
                dilation,
            } => [2, kernel, stride, padding, dilation],
            AxisReads::Offset { offset } => [3, offset, 0, 0, 0],
        };
        Self {
            axis,
            producer: producer.0[axis],
            consumer: consumer.0[axis],
            reads,
            bytes: if axis == 0 { bytes } else { 1 },
        }
    }

    fn reads(&self) -> AxisReads {
        match self.reads {
            [0, ..] => AxisReads::Same,
            [1, ..] => AxisReads::All,
            [2, kernel, stride, padding, dilation] => AxisReads::Window {
                kernel,
                stride,
                padding,
                dilation,
            },
            [_, offset, ..] => AxisReads::Offset { offset },
        }
    }
}

/// The digits that divide a number of devices, numbered.
#[derive(Clone)]
pub(super) struct Digits {
    divisors: Vec<usize>,
    num_devices: usize,
}

impl Digits {
    pub(super) fn new(num_devices: usize) -> Self {
        let divisors = (1..=num_devices).filter(|it| num_devices.is_multiple_of(*it));
        Self {
            divisors: divisors.collect(),
            num_devices,
        }
    }

    pub(super) fn digit(&self, degree: usize, stride: usize) -> Digit {
        let divisor = |it: usize| {
            let found = self.divisors.binary_search(&it);
            found.expect("the degrees of a legal configuration divide the devices")
        };
        Digit {
            degree,
            stride,
            number: divisor(degree) * self.divisors.len() + divisor(stride),
        }
    }

    fn len(&self) -> usize {
        self.divisors.len() * self.divisors.len()
    }
}

/// For a degree of the consumer and one of the producer: the elements that parts share.
struct Overlaps {
    num_producers: usize,
    /// A row for each part of the consumer.
    shared: Vec<u32>,
    /// For each part of the consumer: the elements that it reads, and from how many parts.
    reads: Vec<(Time, Time)>,
    /// For each part of the producer: the elements that are read of it, and by how many parts.
    read_by: Vec<(Time, Time)>,
}

impl AxisVectors {
    pub(super) fn new(key: AxisKey, digits: Digits) -> Self {
        Self {
            key,
            places: vec![None; digits.len() * digits.len()],
            overlaps: std::iter::repeat_with(|| None).take(digits.len()).collect(),
            chunks: Chunks::default(),
            digits,
        }
    }

    pub(super) fn key(&self) -> &AxisKey {
        &self.key
    }

    /// The chunks of all pairs, and the numbers of those of a digit of the consumer and one of the
    /// producer: of the forward pass, and behind them of the backward pass.
    pub(super) fn of(
        &mut self,
        to: Digit,
        from: Digit,
        receivers: &Receivers,
    ) -> (&Chunks, &[u32]) {
        let start = self.place(to, from, receivers);
        let numbers = &self.chunks.numbers[start..start + 2 * receivers.num_chunks];
        (&self.chunks, numbers)
    }

    fn place(&mut self, to: Digit, from: Digit, receivers: &Receivers) -> usize {
        let pair = to.number * self.digits.len() + from.number;
        match self.places[pair] {
            Some(start) => start,
            None => {
                let start = self.make_equivalent(to, from, receivers);
                self.places[pair] = Some(start);
                start
            }
        }
    }

    /// As [`make`](Self::make), but digits share their vectors where the stride does not matter:
    /// where there is one part, or each part reads all.
    fn make_equivalent(&mut self, to: Digit, from: Digit, receivers: &Receivers) -> usize {
        let plain = |it: Digit, is_plain: bool| match is_plain && self.key.axis > 0 {
            true => self.digits.digit(it.degree, 1),
            false => it,
        };
        let reads_all = self.key.reads() == AxisReads::All;
        let plain_to = plain(to, to.degree == 1 || reads_all);
        let plain_from = plain(from, from.degree == 1);
        match (plain_to, plain_from) == (to, from) {
            true => self.make(to, from, receivers),
            false => self.place(plain_to, plain_from, receivers),
        }
    }

    fn make(&mut self, to: Digit, from: Digit, receivers: &Receivers) -> usize {
        let degrees = self.digits.digit(to.degree, from.degree).number;
        let overlaps = match self.overlaps[degrees].take() {
            Some(made) => made,
            None => Overlaps::new(&self.key, to.degree, from.degree),
        };
        let length = receivers.len();
        let mut vectors = vec![0.0; 2 * length];
        let (forward, backward) = vectors.split_at_mut(length);
        let bytes = self.key.bytes as Time;
        let num_devices = self.digits.num_devices;
        // The samples are the slowest: there, devices without a part are beyond the degree.
        let part = |digit: Digit| {
            let Digit { degree, stride, .. } = digit;
            let is_slowest = self.key.axis == 0;
            (0..num_devices).map(move |device| match is_slowest {
                true => Some(device / stride).filter(|it| *it < degree),
                false => Some(device / stride % degree),
            })
        };
        let consumers: Vec<_> = part(to).collect();
        let producers: Vec<_> = part(from).collect();
        for device in 0..num_devices {
            if let Some(consumer) = consumers[device] {
                let (elements, sources) = overlaps.reads[consumer];
                forward[receivers.index(device, 0)] = bytes * elements;
                forward[receivers.index(device, 1)] = sources;
            }
            if let Some(producer) = producers[device] {
                let (elements, sources) = overlaps.read_by[producer];
                backward[receivers.index(device, 0)] = bytes * elements;
                backward[receivers.index(device, 1)] = sources;
            }
        }
        for (slot, partners) in receivers.partners.iter().enumerate() {
            for (device, &partner) in partners.iter().enumerate() {
                let index = receivers.index(device, 2 + slot);
                if let (Some(consumer), Some(producer)) = (consumers[device], producers[partner]) {
                    forward[index] = bytes * overlaps.shared(consumer, producer);
                }
                if let (Some(consumer), Some(producer)) = (consumers[partner], producers[device]) {
                    backward[index] = bytes * overlaps.shared(consumer, producer);
                }
            }
        }
        self.overlaps[degrees] = Some(overlaps);
        self.chunks.push(&vectors, receivers.chunk_len())
    }
}

impl Overlaps {
    fn new(key: &AxisKey, num_consumers: usize, num_producers: usize) -> Self {
        let reads = key.reads();
        let part = |size: usize, num_parts: usize, index: usize| {
            let shape = Shape([size, 1, 1, 1]);
            let part = Configuration::by_sample(num_parts).part(index, &shape);
            let [range, ..] = part.0;
            range
        };
        let producers: Vec<_> = (0..num_producers)
            .map(|it| part(key.producer, num_producers, it))
            .collect();
        let mut it = Self {
            num_producers,
            shared: Vec::with_capacity(num_consumers * num_producers),
            reads: Vec::with_capacity(num_consumers),
            read_by: vec![(0.0, 0.0); num_producers],
        };
        for consumer in 0..num_consumers {
            let range = part(key.consumer, num_consumers, consumer);
            let required = reads.range(&range, key.producer);
            let mut num_sources = 0;
            for (held, by) in producers.iter().zip(&mut it.read_by) {
                let (start, end) = (held.start.max(required.start), held.end.min(required.end));
                let shared = end.saturating_sub(start);
                it.shared.push(shared as u32);
                if shared > 0 {
                    num_sources += 1;
                    *by = (by.0 + shared as Time, by.1 + 1.0);
                }
            }
            it.reads.push((required.len() as Time, num_sources as Time));
        }
        it
    }

    fn shared(&self, consumer: usize, producer: usize) -> Time {
        Time::from(self.shared[consumer * self.num_producers + producer])
    }
}
