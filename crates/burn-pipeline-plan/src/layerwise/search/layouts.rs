use std::collections::HashMap;

use super::{
    digits::{Digit, Digits},
    overlaps::Places,
    receivers::Receivers,
};

/// Which value of [`Overlaps`](super::overlaps::Overlaps) is where in the vectors of
/// [`Receivers`], for a digit of the consumer and one of the producer: the same for layers of all
/// sizes, so that it is worked out once.
pub(super) struct Layouts<'a> {
    pub(super) receivers: &'a Receivers,
    pub(super) digits: Digits,
    /// Whether the axis is the slowest. There, devices without a part are beyond the degree.
    is_slowest: bool,
    /// For each pair of digits, the numbers of its chunks.
    pairs: Vec<Option<Vec<u32>>>,
    /// For each pair of degrees.
    chunks: Vec<LayoutChunks>,
}

/// The chunks of a pair of degrees, as places of values; equal ones are there once.
#[derive(Clone, Default)]
struct LayoutChunks {
    data: Vec<u32>,
    known: HashMap<Vec<u32>, u32>,
}

impl<'a> Layouts<'a> {
    pub(super) fn new(receivers: &'a Receivers, digits: Digits, is_slowest: bool) -> Self {
        Self {
            receivers,
            is_slowest,
            pairs: vec![None; digits.len() * digits.len()],
            chunks: vec![LayoutChunks::default(); digits.len()],
            digits,
        }
    }

    /// The number of a pair of degrees.
    pub(super) fn degrees(&self, to: Digit, from: Digit) -> usize {
        self.digits.digit(to.degree, from.degree).number
    }

    /// The chunks of a pair of degrees, one behind the other, and the numbers of those of a pair
    /// of digits: of the forward pass, and behind them of the backward pass.
    pub(super) fn of(&mut self, to: Digit, from: Digit) -> (&[u32], &[u32]) {
        let degrees = self.degrees(to, from);
        let pair = to.number * self.digits.len() + from.number;
        if self.pairs[pair].is_none() {
            let places = self.places(to, from);
            let chunks = places.chunks_exact(self.receivers.chunk_len());
            let numbers = chunks.map(|it| self.chunks[degrees].number(it)).collect();
            self.pairs[pair] = Some(numbers);
        }
        let numbers = self.pairs[pair].as_deref().unwrap_or_default();
        (&self.chunks[degrees].data, numbers)
    }

    fn places(&self, to: Digit, from: Digit) -> Vec<u32> {
        let receivers = self.receivers;
        let places = Places::new(to.degree, from.degree);
        let mut vectors = vec![Places::NONE as u32; 2 * receivers.len()];
        let (forward, backward) = vectors.split_at_mut(receivers.len());
        let (consumers, producers) = (self.parts(to), self.parts(from));
        for device in 0..consumers.len() {
            let elements = receivers.index(device, 0);
            let sources = receivers.index(device, 1);
            if let Some(consumer) = consumers[device] {
                let place = places.reads(consumer) as u32;
                (forward[elements], forward[sources]) = (place, place + 1);
            }
            if let Some(producer) = producers[device] {
                let place = places.read_by(producer) as u32;
                (backward[elements], backward[sources]) = (place, place + 1);
            }
        }
        for (slot, partners) in receivers.partners.iter().enumerate() {
            for (device, &partner) in partners.iter().enumerate() {
                let index = receivers.index(device, 2 + slot);
                if let (Some(consumer), Some(producer)) = (consumers[device], producers[partner]) {
                    forward[index] = places.shared(consumer, producer) as u32;
                }
                if let (Some(consumer), Some(producer)) = (consumers[partner], producers[device]) {
                    backward[index] = places.shared(consumer, producer) as u32;
                }
            }
        }
        vectors
    }

    /// The part on each device.
    fn parts(&self, digit: Digit) -> Vec<Option<usize>> {
        let Digit { degree, stride, .. } = digit;
        let devices = 0..self.digits.num_devices;
        let part = |device| match self.is_slowest {
            true => Some(device / stride).filter(|it| *it < degree),
            false => Some(device / stride % degree),
        };
        devices.map(part).collect()
    }
}

impl LayoutChunks {
    fn number(&mut self, chunk: &[u32]) -> u32 {
        if let Some(&number) = self.known.get(chunk) {
            return number;
        }
        let number = self.known.len() as u32;
        self.known.insert(chunk.to_vec(), number);
        self.data.extend_from_slice(chunk);
        number
    }
}
