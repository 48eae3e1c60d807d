use core::fmt;
use core::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Axis, Region, Shape};

/// How one layer is split: the number of parts along each axis, its degrees.
///
/// Parts are numbered with the width fastest and the sample slowest; part `i` is on the `i`th
/// device of the layer's group. Written as `n2 c1 h4 w1`, without the degrees that are 1: `n2 h4`,
/// and `1` for a layer that is not split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Parts along the samples.
    pub sample: usize,
    /// Parts along the channels.
    pub channel: usize,
    /// Parts along the height.
    pub height: usize,
    /// Parts along the width.
    pub width: usize,
}

impl Configuration {
    /// Not split.
    pub const WHOLE: Self = Self {
        sample: 1,
        channel: 1,
        height: 1,
        width: 1,
    };

    /// Split by sample alone: data parallelism.
    pub fn by_sample(num_parts: usize) -> Self {
        Self {
            sample: num_parts,
            ..Self::WHOLE
        }
    }

    /// Split by channel alone: model parallelism.
    pub fn by_channel(num_parts: usize) -> Self {
        Self {
            channel: num_parts,
            ..Self::WHOLE
        }
    }

    /// The degrees in the order of [`Axis::ALL`].
    pub fn degrees(&self) -> [usize; 4] {
        [self.sample, self.channel, self.height, self.width]
    }

    /// From degrees in the order of [`Axis::ALL`].
    pub fn from_degrees([sample, channel, height, width]: [usize; 4]) -> Self {
        Self {
            sample,
            channel,
            height,
            width,
        }
    }

    /// Along an axis.
    pub fn degree(&self, axis: Axis) -> usize {
        self.degrees()[axis.index()]
    }

    /// The number of parts, one per device.
    pub fn num_parts(&self) -> usize {
        self.degrees().iter().product()
    }

    /// Where a part is along each axis.
    pub fn coordinates(&self, part: usize) -> [usize; 4] {
        let width = part % self.width;
        let rest = part / self.width;
        let height = rest % self.height;
        let rest = rest / self.height;
        [rest / self.channel, rest % self.channel, height, width]
    }

    /// What of an output a part makes. Where sizes do not divide, parts differ by one; where there
    /// is less to split than parts, some are empty.
    pub fn part(&self, part: usize, shape: &Shape) -> Region {
        let degrees = self.degrees();
        let coordinates = self.coordinates(part);
        let range = |axis: usize| portion(shape.0[axis], degrees[axis], coordinates[axis]);
        Region([range(0), range(1), range(2), range(3)])
    }
}

/// The `index`th of `num_parts` nearly equal ranges of `size` elements.
fn portion(size: usize, num_parts: usize, index: usize) -> Range<usize> {
    size * index / num_parts..size * (index + 1) / num_parts
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.num_parts() == 1 {
            return f.write_str("1");
        }
        let named = ["n", "c", "h", "w"].into_iter().zip(self.degrees());
        let mut separator = "";
        for (name, degree) in named.filter(|(_, degree)| *degree != 1) {
            write!(f, "{separator}{name}{degree}")?;
            separator = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_configuration_is_written_without_degrees_of_one() {
        let configuration = Configuration::from_degrees([2, 1, 4, 1]);
        assert_eq!(configuration.to_string(), "n2 h4");
        assert_eq!(Configuration::WHOLE.to_string(), "1");
    }

    proptest! {
        #[test]
        fn every_element_is_in_exactly_one_part(
            sizes in prop::array::uniform4(1..5usize),
            degrees in prop::array::uniform4(1..4usize),
        ) {
            let (shape, configuration) = (Shape(sizes), Configuration::from_degrees(degrees));
            let parts: Vec<_> = (0..configuration.num_parts())
                .map(|part| configuration.part(part, &shape))
                .collect();
            let sum: u64 = parts.iter().map(Region::num_elements).sum();
            prop_assert_eq!(sum, shape.num_elements());
            for (i, a) in parts.iter().enumerate() {
                for b in &parts[..i] {
                    prop_assert!(a.intersection(b).is_empty());
                }
            }
        }
    }
}
