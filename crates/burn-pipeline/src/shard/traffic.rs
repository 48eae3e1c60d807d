//! Counting what moves between the parts of layers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::Tensor;
use burn::tensor::kind::Autodiff;

/// The bytes that a [`Sharded`](crate::Sharded) has moved from device to device, by what they were.
///
/// Devices count by their place in the group: what moves between two places that name the same
/// device counts as well, though it costs nothing there. So a plan can be checked on one machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BytesMoved {
    /// What the caller's input took to reach the parts of the first layer. An input that is on the
    /// group's first device is there for the parts on it.
    pub input: Transfers,
    /// What each layer's parts were missing of the outputs of the layer before: redistribution and
    /// halos.
    pub signals: Transfers,
    /// Parameters to the replicas of their part of a layer, and the replicas' gradients back.
    pub parameters: Transfers,
    /// What the parts of one layer told each other: sums of a batch norm, contexts of attention.
    pub within: Transfers,
    /// What it took to put the last layer's output together on the group's first device.
    pub output: Transfers,
}

/// Bytes of one kind of transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Counted as they moved.
    pub forward: u64,
    /// Their gradients: as many bytes again for what moved with a history, counted in the forward
    /// pass. A forward that no backward follows counts them all the same.
    pub backward: u64,
}

impl Transfers {
    /// Both ways.
    pub fn total(&self) -> u64 {
        self.forward + self.backward
    }
}

impl BytesMoved {
    /// Everything, both ways.
    pub fn total(&self) -> u64 {
        let kinds = [
            self.input,
            self.signals,
            self.parameters,
            self.within,
            self.output,
        ];
        kinds.iter().map(Transfers::total).sum()
    }
}

/// The counters behind [`BytesMoved`], shared by the clones of a sharded model.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) input: Counter,
    pub(crate) signals: Counter,
    pub(crate) parameters: Counter,
    pub(crate) within: Counter,
    pub(crate) output: Counter,
}

impl Traffic {
    pub(crate) fn shared() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn read(&self) -> BytesMoved {
        BytesMoved {
            input: self.input.read(),
            signals: self.signals.read(),
            parameters: self.parameters.read(),
            within: self.within.read(),
            output: self.output.read(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter {
    forward: AtomicU64,
    backward: AtomicU64,
}

impl Counter {
    /// So many bytes have moved, and so many will come back.
    pub(crate) fn add(&self, forward: u64, backward: u64) {
        self.forward.fetch_add(forward, Ordering::Relaxed);
        self.backward.fetch_add(backward, Ordering::Relaxed);
    }

    fn read(&self) -> Transfers {
        Transfers {
            forward: self.forward.load(Ordering::Relaxed),
            backward: self.backward.load(Ordering::Relaxed),
        }
    }
}

/// The size of a tensor's elements.
pub(crate) fn bytes_of<const D: usize, K: Autodiff>(tensor: &Tensor<D, K>) -> u64 {
    (tensor.shape().num_elements() * tensor.dtype().size()) as u64
}
