//! The parts of a tensor, as ranges along four axes.

use core::fmt;
use core::ops::Range;

use serde::{Deserialize, Serialize};

/// The axes along which a layer can be split: Jia et al. (2018), section 4.1.
///
/// An image has all four. The output of a fully connected layer has samples and channels; that of
/// a layer over sequences has its positions as height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// The samples of a mini-batch.
    Sample,
    /// The channels, features or heads.
    Channel,
    /// The rows of an image, or the positions of a sequence.
    Height,
    /// The columns of an image.
    Width,
}

impl Axis {
    /// All four, in the order of sizes and ranges.
    pub const ALL: [Self; 4] = [Self::Sample, Self::Channel, Self::Height, Self::Width];

    /// Its place in sizes and ranges.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sample => "sample",
            Self::Channel => "channel",
            Self::Height => "height",
            Self::Width => "width",
        })
    }
}

/// The sizes of a layer's output along the four axes; 1 where it has no such axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(pub [usize; 4]);

impl Shape {
    /// Along an axis.
    pub fn size(&self, axis: Axis) -> usize {
        self.0[axis.index()]
    }

    /// The number of elements.
    pub fn num_elements(&self) -> u64 {
        self.0.iter().map(|&size| size as u64).product()
    }

    /// All of it.
    pub fn region(&self) -> Region {
        Region(self.0.map(|size| 0..size))
    }
}

/// A part of a tensor: a range along each of the four axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region(pub [Range<usize>; 4]);

impl Region {
    /// Along an axis.
    pub fn range(&self, axis: Axis) -> &Range<usize> {
        &self.0[axis.index()]
    }

    /// The number of elements.
    pub fn num_elements(&self) -> u64 {
        self.0.iter().map(|range| range.len() as u64).product()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().any(|range| range.is_empty())
    }

    /// What is in both; empty where nothing is.
    pub fn intersection(&self, other: &Self) -> Self {
        let both = |axis: usize| {
            let (a, b) = (&self.0[axis], &other.0[axis]);
            let start = a.start.max(b.start);
            start..a.end.min(b.end).max(start)
        };
        Self([both(0), both(1), both(2), both(3)])
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [sample, channel, height, width] = &self.0;
        write!(f, "{sample:?} x {channel:?} x {height:?} x {width:?}")
    }
}
