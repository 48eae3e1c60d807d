use super::{axis_key::AxisKey, table::Time};
use crate::{Configuration, Shape};

/// For a degree of the consumer and one of the producer along an axis: the elements that parts
/// share, times the bytes of one.
pub(super) struct Overlaps {
    /// As [`Places`] says.
    pub(super) values: Vec<Time>,
}

/// Where [`Overlaps`] of so many parts have what.
#[derive(Clone, Copy)]
pub(super) struct Places {
    num_consumers: usize,
    num_producers: usize,
}

impl Places {
    /// A value for devices without a part: 0.
    pub(super) const NONE: usize = 0;

    pub(super) fn new(num_consumers: usize, num_producers: usize) -> Self {
        Self {
            num_consumers,
            num_producers,
        }
    }

    /// What a part of the consumer reads, and behind it from how many parts.
    pub(super) fn reads(self, consumer: usize) -> usize {
        1 + 2 * consumer
    }

    /// What is read of a part of the producer, and behind it by how many parts.
    pub(super) fn read_by(self, producer: usize) -> usize {
        1 + 2 * (self.num_consumers + producer)
    }

    /// What a part of the consumer reads of one of the producer.
    pub(super) fn shared(self, consumer: usize, producer: usize) -> usize {
        self.read_by(self.num_producers) + consumer * self.num_producers + producer
    }

    fn len(self) -> usize {
        self.shared(self.num_consumers, 0)
    }
}

impl Overlaps {
    pub(super) fn new(key: &AxisKey, num_consumers: usize, num_producers: usize) -> Self {
        let reads = key.reads();
        let bytes = key.bytes as Time;
        let part = |size: usize, num_parts: usize, index: usize| {
            let shape = Shape([size, 1, 1, 1]);
            let part = Configuration::by_sample(num_parts).part(index, &shape);
            let [range, ..] = part.0;
            range
        };
        let places = Places::new(num_consumers, num_producers);
        let mut values = vec![0.0; places.len()];
        for consumer in 0..num_consumers {
            let range = part(key.consumer, num_consumers, consumer);
            let required = reads.range(&range, key.producer);
            let read = places.reads(consumer);
            values[read] = bytes * required.len() as Time;
            for producer in 0..num_producers {
                let held = part(key.producer, num_producers, producer);
                let (start, end) = (held.start.max(required.start), held.end.min(required.end));
                let shared = bytes * end.saturating_sub(start) as Time;
                values[places.shared(consumer, producer)] = shared;
                if shared > 0.0 {
                    let read_by = places.read_by(producer);
                    values[read + 1] += 1.0;
                    values[read_by] += shared;
                    values[read_by + 1] += 1.0;
                }
            }
        }
        Self { values }
    }
}
