use crate::{AxisReads, Shape};

/// What the vectors along an axis depend on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct AxisKey {
    /// Of [`Axis::ALL`](crate::Axis::ALL).
    pub(super) axis: usize,
    pub(super) producer: usize,
    pub(super) consumer: usize,
    /// The reads, as numbers.
    reads: [usize; 5],
    /// What elements are multiplied with: only along the samples.
    pub(super) bytes: u64,
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

    /// Whether the vectors are the same along another axis.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let axis = other.axis;
        Self { axis, ..*self } == *other
    }

    pub(super) fn reads(&self) -> AxisReads {
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
