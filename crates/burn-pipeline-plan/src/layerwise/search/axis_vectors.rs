use super::{
    axis_key::AxisKey, chunks::Chunks, digits::Digit, layouts::Layouts, overlaps::Overlaps,
};
use crate::AxisReads;

/// What parts of a producer and parts of a consumer have in common along one axis, as vectors over
/// devices: the vectors of [`Receivers`](super::receivers::Receivers) are the products of those of
/// the four axes.
///
/// For a digit of the consumer and one of the producer there are the vectors of the forward pass,
/// in which the devices of the consumer receive, and those of the backward pass behind them.
pub(super) struct AxisVectors {
    key: AxisKey,
    /// Where the chunks of a pair of digits are; those that nobody asked for are not made.
    places: Vec<Option<usize>>,
    chunks: Chunks,
    /// For each pair of degrees, what is made of its layouts.
    degrees: Vec<Option<Filled>>,
}

/// The chunks of a pair of degrees.
struct Filled {
    overlaps: Overlaps,
    /// For each chunk of the layouts, the number of that with values.
    numbers: Vec<Option<u32>>,
}

impl AxisVectors {
    pub(super) fn new(key: AxisKey, layouts: &Layouts) -> Self {
        let num_digits = layouts.digits.len();
        Self {
            key,
            places: vec![None; num_digits * num_digits],
            chunks: Chunks::default(),
            degrees: std::iter::repeat_with(|| None).take(num_digits).collect(),
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
        layouts: &mut Layouts,
    ) -> (&Chunks, &[u32]) {
        let start = self.place(to, from, layouts);
        let numbers = &self.chunks.numbers[start..][..2 * layouts.receivers.num_chunks];
        (&self.chunks, numbers)
    }

    fn place(&mut self, to: Digit, from: Digit, layouts: &mut Layouts) -> usize {
        let pair = to.number * layouts.digits.len() + from.number;
        match self.places[pair] {
            Some(start) => start,
            None => {
                let start = self.make_equivalent(to, from, layouts);
                self.places[pair] = Some(start);
                start
            }
        }
    }

    /// As [`make`](Self::make), but digits share their vectors where the stride does not matter:
    /// where there is one part, or each part reads all.
    fn make_equivalent(&mut self, to: Digit, from: Digit, layouts: &mut Layouts) -> usize {
        let plain = |it: Digit, is_plain: bool| match is_plain && self.key.axis > 0 {
            true => layouts.digits.digit(it.degree, 1),
            false => it,
        };
        let reads_all = self.key.reads() == AxisReads::All;
        let plain_to = plain(to, to.degree == 1 || reads_all);
        let plain_from = plain(from, from.degree == 1);
        match (plain_to, plain_from) == (to, from) {
            true => self.make(to, from, layouts),
            false => self.place(plain_to, plain_from, layouts),
        }
    }

    fn make(&mut self, to: Digit, from: Digit, layouts: &mut Layouts) -> usize {
        let length = layouts.receivers.chunk_len();
        let key = &self.key;
        let filled = self.degrees[layouts.degrees(to, from)].get_or_insert_with(|| Filled {
            overlaps: Overlaps::new(key, to.degree, from.degree),
            numbers: Vec::new(),
        });
        let (places, layout) = layouts.of(to, from);
        filled.numbers.resize(places.len() / length, None);
        let start = self.chunks.numbers.len();
        for &it in layout {
            let number = *filled.numbers[it as usize].get_or_insert_with(|| {
                let places = places[it as usize * length..][..length].iter();
                let values = &filled.overlaps.values;
                self.chunks
                    .number(places.map(|place| values[*place as usize]))
            });
            self.chunks.numbers.push(number);
        }
        start
    }
}
