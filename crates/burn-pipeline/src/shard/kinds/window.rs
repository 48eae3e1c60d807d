//! Sliding windows along one axis.

use std::ops::Range;

use burn::nn::{PaddingConfig1d, PaddingConfig2d};
use burn_pipeline_plan::AxisReads;

/// The windows of a convolution or a pool along one axis of an input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// The padding before the first and behind the last element.
    pub(super) padding: (usize, usize),
    /// Whether a last window that reaches beyond the padding counts.
    pub(super) ceil: bool,
}

/// What of a part's windows lies in the padding.
pub(super) enum Padding {
    /// So much before and behind what the part has of the input.
    Around(usize, usize),
    /// All of it: this many elements, and none of the input.
    Only(usize),
}

impl Window {
    /// From where the windows begin to where they end.
    fn extent(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// The number of windows along `size` elements. With `ceil`, one that reaches beyond the padding
    /// counts where it begins before it: as PyTorch and Burn have it.
    pub(super) fn num_windows(&self, size: usize) -> usize {
        let (begin, end) = self.padding;
        let padded = size + begin + end;
        let last = match self.ceil {
            true => padded + self.stride - 1,
            false => padded,
        };
        let Some(room) = last.checked_sub(self.extent()) else {
            return 0;
        };
        let num_windows = room / self.stride + 1;
        match self.ceil && num_windows > 1 && (num_windows - 1) * self.stride >= size + begin {
            true => num_windows - 1,
            false => num_windows,
        }
    }

    pub(super) fn reads(&self) -> AxisReads {
        AxisReads::Window {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding.0,
            dilation: self.dilation,
        }
    }

    /// The padding that these windows need on an input of `size`.
    pub(super) fn padding_of(&self, windows: &Range<usize>, size: usize) -> Padding {
        let begin = self.padding.0;
        let first = windows.start * self.stride;
        let last = (windows.end - 1) * self.stride + self.extent();
        match last <= begin || first >= begin + size {
            true => Padding::Only(last - first),
            false => Padding::Around(
                begin.saturating_sub(first),
                last.saturating_sub(begin + size),
            ),
        }
    }
}

/// The padding of a `Same` convolution, as Burn computes it: the output has one element for each
/// stride of the input, and what is odd is behind it. Dilation does not count.
fn same(kernel: usize, stride: usize, size: usize) -> (usize, usize) {
    let Some(num_strides) = size.div_ceil(stride).checked_sub(1) else {
        return (0, 0);
    };
    let total = (num_strides * stride + kernel).saturating_sub(size);
    (total / 2, total - total / 2)
}

pub(super) fn padding_1d(
    padding: &PaddingConfig1d,
    kernel: usize,
    stride: usize,
    size: usize,
) -> [(usize, usize); 1] {
    [match padding {
        PaddingConfig1d::Valid => (0, 0),
        PaddingConfig1d::Same => same(kernel, stride, size),
        PaddingConfig1d::Explicit(left, right) => (*left, *right),
    }]
}

pub(super) fn padding_2d(
    padding: &PaddingConfig2d,
    kernel: [usize; 2],
    stride: [usize; 2],
    size: [usize; 2],
) -> [(usize, usize); 2] {
    match padding {
        PaddingConfig2d::Valid => [(0, 0), (0, 0)],
        PaddingConfig2d::Same => [0, 1].map(|i| same(kernel[i], stride[i], size[i])),
        PaddingConfig2d::Explicit(top, left, bottom, right) => [(*top, *bottom), (*left, *right)],
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Each window as the elements of the input that it looks at, counted from the first.
    fn looks_at(window: &Window, index: usize, size: usize) -> Vec<usize> {
        let taps = (0..window.kernel).map(|tap| index * window.stride + tap * window.dilation);
        let inside = taps.filter_map(|at| at.checked_sub(window.padding.0));
        inside.filter(|at| *at < size).collect()
    }

    #[rstest]
    fn a_part_has_what_its_windows_look_at_and_pads_the_rest(
        #[values(1, 2, 3)] kernel: usize,
        #[values(1, 2, 3)] stride: usize,
        #[values(1, 2)] dilation: usize,
        #[values((0, 0), (1, 1), (3, 0), (0, 4))] padding: (usize, usize),
    ) {
        let window = Window {
            kernel,
            stride,
            dilation,
            padding,
            ceil: false,
        };
        let size = 7;
        let num_windows = window.num_windows(size);
        for start in 0..num_windows {
            for end in start + 1..=num_windows {
                let read = window.reads().range(&(start..end), size);
                let mut looked = (start..end).flat_map(|index| looks_at(&window, index, size));
                assert!(looked.all(|at| read.contains(&at)));
                let length = (end - start - 1) * stride + (kernel - 1) * dilation + 1;
                match window.padding_of(&(start..end), size) {
                    Padding::Only(only) => {
                        assert_eq!(only, length);
                        assert!(read.is_empty());
                    }
                    Padding::Around(before, after) => {
                        assert!(!read.is_empty());
                        assert_eq!(before + read.len() + after, length);
                    }
                }
            }
        }
    }

    #[rstest]
    #[case::fits(2, 2, (0, 0), 6, 3, 3)]
    #[case::reaches_beyond(3, 2, (0, 0), 6, 2, 3)]
    #[case::begins_in_the_end_padding(1, 3, (1, 1), 5, 3, 2)]
    #[case::would_begin_in_the_end_padding(2, 3, (0, 1), 6, 2, 2)]
    #[case::larger_than_the_input(4, 2, (0, 0), 3, 0, 1)]
    fn a_last_window_counts_where_it_begins_before_the_end(
        #[case] kernel: usize,
        #[case] stride: usize,
        #[case] padding: (usize, usize),
        #[case] size: usize,
        #[case] floor: usize,
        #[case] ceil: usize,
    ) {
        let window = |ceil| Window {
            kernel,
            stride,
            dilation: 1,
            padding,
            ceil,
        };
        assert_eq!(window(false).num_windows(size), floor);
        assert_eq!(window(true).num_windows(size), ceil);
    }
}
