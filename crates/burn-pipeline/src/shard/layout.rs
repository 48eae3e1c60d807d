//! Which dimension of a tensor is which axis.

use std::ops::Range;

use burn_pipeline_plan::{Axis, Region, Shape};

/// The axis of each dimension of a tensor. A dimension that has none, or is not named, is never
/// split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout(Vec<Option<Axis>>);

impl Layout {
    /// `[samples, ..]`: a signal that nobody knows more about.
    pub(crate) fn samples() -> Self {
        Self(vec![Some(Axis::Sample)])
    }

    /// `[samples, channels, height, width]`, `[samples, channels, width]`; of a tensor of another
    /// rank only the samples and the channels.
    pub(crate) fn images(rank: usize) -> Self {
        let behind: &[Axis] = match rank {
            3 => &[Axis::Width],
            4 => &[Axis::Height, Axis::Width],
            _ => &[],
        };
        let axes = [Axis::Sample, Axis::Channel].iter().chain(behind);
        Self(axes.copied().map(Some).collect())
    }

    /// `[samples, height, width, .., channels]`, as many of them as the rank has room for; the only
    /// dimension of what has one is the channels.
    pub(crate) fn channels_last(rank: usize) -> Self {
        let mut axes = vec![None; rank];
        if let Some(last) = axes.last_mut() {
            *last = Some(Axis::Channel);
        }
        let front = [Axis::Sample, Axis::Height, Axis::Width];
        for (axis, name) in axes.iter_mut().rev().skip(1).rev().zip(front) {
            *axis = Some(name);
        }
        Self(axes)
    }

    /// `[samples, positions]`: tokens.
    pub(crate) fn tokens() -> Self {
        Self(vec![Some(Axis::Sample), Some(Axis::Height)])
    }

    /// What a tensor of this rank is taken for where no layer before it says. One dimension is that of
    /// the samples, as of any signal.
    pub(crate) fn of_rank(rank: usize) -> Self {
        match rank {
            0 | 1 => Self::samples(),
            2 | 3 => Self::channels_last(rank),
            _ => Self::images(rank),
        }
    }

    pub(crate) fn axis(&self, dimension: usize) -> Option<Axis> {
        self.0.get(dimension).copied().flatten()
    }

    pub(crate) fn dimension(&self, axis: Axis) -> Option<usize> {
        self.0.iter().position(|it| *it == Some(axis))
    }

    /// The sizes along the axes.
    pub(crate) fn shape(&self, dims: &[usize]) -> Shape {
        let mut sizes = [1; 4];
        for (dimension, size) in dims.iter().enumerate() {
            if let Some(axis) = self.axis(dimension) {
                sizes[axis.index()] = *size;
            }
        }
        Shape(sizes)
    }

    /// As [`shape`](Self::shape), with the dimensions that have no axis counted to the channels, so
    /// that no element is left out.
    pub(crate) fn full_shape(&self, dims: &[usize]) -> Shape {
        let mut shape = self.shape(dims);
        for (dimension, size) in dims.iter().enumerate() {
            if self.axis(dimension).is_none() {
                shape.0[Axis::Channel.index()] *= size;
            }
        }
        shape
    }

    /// The range of each dimension that a region is.
    pub(crate) fn ranges(&self, region: &Region, dims: &[usize]) -> Vec<Range<usize>> {
        let range = |(dimension, size): (usize, &usize)| match self.axis(dimension) {
            Some(axis) => region.range(axis).clone(),
            None => 0..*size,
        };
        dims.iter().enumerate().map(range).collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::features(Layout::channels_last(2), &[5, 6], [5, 6, 1, 1])]
    #[case::sequences(Layout::channels_last(3), &[5, 6, 7], [5, 7, 6, 1])]
    #[case::grids(Layout::channels_last(4), &[5, 6, 7, 8], [5, 8, 6, 7])]
    #[case::signals(Layout::images(3), &[5, 6, 7], [5, 6, 1, 7])]
    #[case::images(Layout::images(4), &[5, 6, 7, 8], [5, 6, 7, 8])]
    #[case::volumes(Layout::images(5), &[5, 6, 7, 8, 9], [5, 6, 1, 1])]
    #[case::tokens(Layout::tokens(), &[5, 6], [5, 1, 6, 1])]
    #[case::one_feature(Layout::channels_last(1), &[5], [1, 5, 1, 1])]
    #[case::one_number_a_sample(Layout::of_rank(1), &[5], [5, 1, 1, 1])]
    #[case::anything(Layout::samples(), &[5, 6], [5, 1, 1, 1])]
    fn the_axes_of_a_tensor_follow_from_what_it_is(
        #[case] layout: Layout,
        #[case] dims: &[usize],
        #[case] sizes: [usize; 4],
    ) {
        assert_eq!(layout.shape(dims), Shape(sizes));
        let all = Shape(sizes).region();
        let whole: Vec<_> = dims.iter().map(|size| 0..*size).collect();
        assert_eq!(layout.ranges(&all, dims), whole);
        let full = layout.full_shape(dims).num_elements();
        assert_eq!(full, dims.iter().product::<usize>() as u64);
    }
}
