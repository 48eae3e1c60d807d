use core::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Region, Shape};

/// Which part of its input a layer reads along one axis, for a part of its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AxisReads {
    /// The same part.
    #[default]
    Same,
    /// All of it, whatever the part.
    All,
    /// What a sliding window covers: convolution and pooling.
    Window {
        /// The elements of the window.
        kernel: usize,
        /// The elements between the starts of two windows.
        stride: usize,
        /// The elements of padding before the first one of the input.
        padding: usize,
        /// The elements between two that the window looks at.
        dilation: usize,
    },
    /// A part of the output that is made of this input alone, from `offset` on: concatenation.
    Offset {
        /// Where the input begins in the output.
        offset: usize,
    },
}

impl AxisReads {
    /// The elements of an input of `size` that the outputs in `part` are made of. Padding is not
    /// read.
    pub fn range(&self, part: &Range<usize>, size: usize) -> Range<usize> {
        if part.is_empty() {
            return 0..0;
        }
        match *self {
            Self::Same => part.start.min(size)..part.end.min(size),
            Self::All => 0..size,
            Self::Window {
                kernel,
                stride,
                padding,
                dilation,
            } => {
                let first = part.start * stride;
                let last = (part.end - 1) * stride + (kernel - 1) * dilation + 1;
                let start = first.saturating_sub(padding).min(size);
                start..last.saturating_sub(padding).clamp(start, size)
            }
            Self::Offset { offset } => {
                let start = part.start.saturating_sub(offset).min(size);
                start..part.end.saturating_sub(offset).clamp(start, size)
            }
        }
    }
}

/// Which part of its input a layer reads, for a part of its output. Samples are read as they are
/// made: a layer computes each from itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reads {
    /// Along the channels.
    pub channel: AxisReads,
    /// Along the height.
    pub height: AxisReads,
    /// Along the width.
    pub width: AxisReads,
}

impl Reads {
    /// The same part: activations, sums, dropout.
    pub const SAME: Self = Self {
        channel: AxisReads::Same,
        height: AxisReads::Same,
        width: AxisReads::Same,
    };

    /// All channels of the same positions: a linear layer over sequences, layer norm.
    pub const ALL_CHANNELS: Self = Self {
        channel: AxisReads::All,
        ..Self::SAME
    };

    /// Everything of a sample: a fully connected layer behind an image.
    pub const ALL: Self = Self {
        channel: AxisReads::All,
        height: AxisReads::All,
        width: AxisReads::All,
    };

    /// The part of an input of shape `input` that `part` of the output is made of.
    pub fn region(&self, part: &Region, input: &Shape) -> Region {
        if part.is_empty() {
            return Region([0..0, 0..0, 0..0, 0..0]);
        }
        let [sample, channel, height, width] = &part.0;
        let [_, channels, rows, columns] = input.0;
        Region([
            sample.clone(),
            self.channel.range(channel, channels),
            self.height.range(height, rows),
            self.width.range(width, columns),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn window(kernel: usize, stride: usize, padding: usize, dilation: usize) -> AxisReads {
        AxisReads::Window {
            kernel,
            stride,
            padding,
            dilation,
        }
    }

    #[rstest]
    #[case::same(AxisReads::Same, 2..4, 2..4)]
    #[case::all(AxisReads::All, 2..4, 0..8)]
    #[case::halo(window(3, 1, 1, 1), 2..4, 1..5)]
    #[case::halo_at_the_edge(window(3, 1, 1, 1), 0..4, 0..5)]
    #[case::halo_at_the_end(window(3, 1, 1, 1), 4..8, 3..8)]
    #[case::stride(window(3, 2, 1, 1), 2..4, 3..8)]
    #[case::dilation(window(3, 1, 2, 2), 2..4, 0..6)]
    #[case::smaller_than_its_stride(window(1, 2, 0, 1), 1..3, 2..5)]
    #[case::concatenated_before(AxisReads::Offset { offset: 4 }, 2..4, 0..0)]
    #[case::concatenated_within(AxisReads::Offset { offset: 2 }, 0..6, 0..4)]
    #[case::concatenated_behind(AxisReads::Offset { offset: 2 }, 12..14, 8..8)]
    fn a_part_reads_what_it_is_made_of(
        #[case] reads: AxisReads,
        #[case] part: Range<usize>,
        #[case] expected: Range<usize>,
    ) {
        assert_eq!(reads.range(&part, 8), expected);
    }
}
