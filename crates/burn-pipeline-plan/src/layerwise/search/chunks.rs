use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::table::Time;

/// Takes a number as its own hash: what is mixed already need not be mixed again.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are mixed already")
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Chunks of vectors; equal ones are there once.
#[derive(Default)]
pub(super) struct Chunks {
    /// One chunk behind the other.
    data: Vec<Time>,
    /// By a mixture of their bits; two that are mixed alike are one beside the other.
    known: HashMap<u64, u32, BuildHasherDefault<Mixed>>,
    /// The chunks of one set of vectors behind those of another, by number.
    pub(super) numbers: Vec<u32>,
}

impl Chunks {
    /// The number of a chunk, which is added if it is not there.
    pub(super) fn number(&mut self, chunk: impl ExactSizeIterator<Item = Time>) -> u32 {
        let (start, length) = (self.data.len(), chunk.len());
        self.data.extend(chunk);
        let mut key = self.data[start..].iter().fold(0u64, |key, it| {
            (key.rotate_left(5) ^ it.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        while let Some(&number) = self.known.get(&key) {
            if self.at(number, length) == &self.data[start..] {
                self.data.truncate(start);
                return number;
            }
            key = key.wrapping_add(1);
        }
        let number = self.known.len() as u32;
        self.known.insert(key, number);
        number
    }

    /// A chunk, by number.
    pub(super) fn at(&self, number: u32, length: usize) -> &[Time] {
        &self.data[number as usize * length..][..length]
    }

    /// How many different chunks there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

/// The chunks of products of two sets of vectors, each made once.
#[derive(Default)]
pub(super) struct Products {
    data: Vec<Time>,
    /// By number: the two factors, and what else tells the product from others.
    factors: Vec<(u32, u32, usize)>,
    pub(super) numbers: Vec<u32>,
}

impl Products {
    /// The products of these, in place of all before. Those of different kinds have different
    /// numbers.
    pub(super) fn multiply<'a>(
        &mut self,
        kinds: &[usize],
        left: (&[u32], impl Fn(u32) -> &'a [Time]),
        right: (&[u32], impl Fn(u32) -> &'a [Time]),
    ) {
        self.data.clear();
        self.factors.clear();
        self.numbers.clear();
        let pairs = left.0.iter().copied().zip(right.0.iter().copied());
        for ((one, other), &kind) in pairs.zip(kinds.iter().cycle()) {
            let factors = (one, other, kind);
            let known = self.factors.iter().rposition(|it| *it == factors);
            let number = known.unwrap_or_else(|| {
                let pairs = left.1(factors.0).iter().zip(right.1(factors.1));
                self.data.extend(pairs.map(|(a, b)| a * b));
                self.factors.push(factors);
                self.factors.len() - 1
            });
            self.numbers.push(number as u32);
        }
    }

    /// A chunk, by number.
    pub(super) fn at(&self, number: u32, length: usize) -> &[Time] {
        &self.data[number as usize * length..][..length]
    }

    /// The kind of a chunk.
    pub(super) fn kind(&self, number: u32) -> usize {
        self.factors[number as usize].2
    }
}
