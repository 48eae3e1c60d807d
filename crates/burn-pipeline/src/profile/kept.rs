//! What a layer keeps for its backward pass.

use burn::tensor::Device;
use burn_pipeline_plan::{BytesSource, WorkingBytes};

use super::round::Place;
use super::signals::gradients_of;
use crate::device::is_remote;
use crate::layer::Sequential;
use crate::rematerialize::{Decays, Pass, StageCopies};
use crate::signal::{AnySignal, FloatGradients, Passing, StageDevice};

/// How live bytes are known.
#[derive(Clone, Copy)]
pub(super) enum LiveBytes {
    Counter(fn() -> u64),
    Pools,
}

impl LiveBytes {
    /// The pools of the device where it has any. Elsewhere its tensors are in the memory of the
    /// process, which the counter knows, or on another machine.
    pub(super) fn of(counter: Option<fn() -> u64>, device: &Device) -> Option<Self> {
        match device.memory_pool_usage() {
            Some(_) => Some(Self::Pools),
            None => counter.filter(|_| !is_remote(device)).map(Self::Counter),
        }
    }

    /// `peak`, where it counts the same bytes.
    pub(super) fn peak(self, peak: Option<PeakBytes>) -> Option<PeakBytes> {
        peak.filter(|_| matches!(self, Self::Counter(_)))
    }

    pub(super) fn source(self) -> BytesSource {
        match self {
            Self::Counter(_) => BytesSource::Counted,
            Self::Pools => BytesSource::DevicePools,
        }
    }

    fn now(self, device: &Device) -> u64 {
        // A device that cannot finish its work fails where the layer is timed.
        let _ = device.sync();
        match self {
            Self::Counter(counter) => counter(),
            Self::Pools => device.memory_pool_usage().map_or(0, |it| it.bytes_in_use),
        }
    }
}

/// The most bytes that have been alive since it was last asked.
pub(super) type PeakBytes = fn() -> u64;

/// What a recorded forward pass of a layer leaves alive, and what either pass needs besides.
#[derive(Clone, Copy, Default)]
pub(super) struct Kept {
    /// The bytes that its own backward pass needs, its input left out.
    pub(super) own: u64,
    /// The bytes of its output that only others may need.
    pub(super) released: u64,
    /// The bytes of its input that its backward pass needs.
    pub(super) input: u64,
    /// How far bytes rise during each pass.
    pub(super) peaks: Option<Peaks>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Peaks {
    /// Beyond what is there after the forward pass.
    forward: u64,
    /// Beyond what the layer needs of its input, once nothing else is there of it.
    backward: u64,
}

impl Peaks {
    /// What a layer works with that keeps and leaves so much.
    pub(super) fn beyond(self, activation_bytes: u64, gradient_bytes: u64) -> WorkingBytes {
        let counted = activation_bytes.max(gradient_bytes);
        WorkingBytes {
            forward: self.forward,
            backward: self.backward.saturating_sub(counted),
        }
    }
}

impl Kept {
    /// What stays until the backward pass, where `next` takes the output.
    pub(super) fn before(self, next: Kept) -> u64 {
        self.own + self.released.min(next.input)
    }

    /// What stays where nobody takes the output from a stage.
    pub(super) fn at_the_end(self) -> u64 {
        self.own + self.released
    }
}

impl<M: Sequential> Place<M> {
    /// Run the layer, and look at live bytes as what holds them is dropped, one after the other.
    /// What the layer sends comes back too.
    pub(super) fn kept(&self, live: LiveBytes, peak: Option<PeakBytes>) -> (Kept, AnySignal) {
        let mut layers = self.layers();
        let copies = StageCopies::new(
            self.model.clone(),
            self.range(),
            self.facts.clone(),
            &self.device,
            true,
            layers.samples.clone(),
            Decays::default(),
        );
        let input = self.input.clone().into_leaves(&self.device, false);
        let copy = copies.copy(Pass::Untracked);
        let sent = layers.train(&copy, 0, input).into_plain();
        if !self.trains() {
            return (Kept::default(), sent);
        }

        let forward = |input: AnySignal| {
            let leaves = input.into_leaves(&self.device, self.trains_before());
            let copy = copies.copy(Pass::Tracked);
            let outputs = self.layers().train(&copy, 0, leaves.clone());
            (leaves, copy, outputs)
        };
        // What is made once only is made here.
        let (_, _, outputs) = forward(self.input.clone());
        sweep(&outputs, gradients_of(&sent, &self.device), &self.device);

        let now = || live.now(self.device.device());
        let most = || peak.map_or(0, |peak| peak());
        let without_gradients = now();
        let gradients = gradients_of(&sent, &self.device);
        let arrived = now().saturating_sub(without_gradients);
        let input = self.input.copied();
        let input_bytes = input.num_bytes();
        let before = now();
        most();
        let (leaves, copy, outputs) = forward(input);
        let most_forward = most();
        let with_outputs = now();
        let root = outputs.root(outputs.receive_gradients(gradients, &self.device).0);
        if root.is_none() {
            drop(outputs.sum_of_floats().map(|unused| unused.backward()));
            return (Kept::default(), sent);
        }
        drop(outputs);
        let without_outputs = now();
        drop(leaves);
        let without_input = now();
        most();
        drop(root.map(|root| root.backward()));
        let most_backward = most();
        drop(copy);

        let own = without_outputs.saturating_sub(before);
        let freed = without_outputs.saturating_sub(without_input);
        let kept = Kept {
            own,
            released: with_outputs.saturating_sub(without_outputs),
            input: input_bytes.saturating_sub(freed),
            peaks: peak.map(|_| Peaks {
                forward: most_forward.saturating_sub(with_outputs),
                // The gradient that arrives was there before.
                backward: (most_backward + arrived + freed).saturating_sub(before),
            }),
        };
        (kept, sent)
    }
}

/// Take a graph out of memory.
fn sweep(outputs: &AnySignal, gradients: FloatGradients, device: &StageDevice) {
    let (arrived, _): (_, Passing) = outputs.receive_gradients(gradients, device);
    let root = outputs.root(arrived).or_else(|| outputs.sum_of_floats());
    drop(root.map(|root| root.backward()));
}
