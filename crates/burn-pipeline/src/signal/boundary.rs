//! Taking a signal off one stage and putting it on the next.

use std::iter::once;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::kind::Autodiff;
use burn::tensor::{Bool, DType, Device, FloatDType, GradientCheckpointingStrategy, Int, Tensor};

use super::{
    Member, Signal, SignalMapper, SignalVisitor, Skip, TensorMapper, TensorVisitor, Uniform,
    at_home,
};
use crate::transfer::{move_to, take_turn};

/// Where a stage computes: a device, and how autodiff keeps its activations there. With it go the
/// other devices on which layers of the stage keep parameters, its group.
#[derive(Clone, Debug)]
pub(crate) struct StageDevice {
    lead: Member,
    others: Arc<[Member]>,
    strategy: GradientCheckpointingStrategy,
    /// What float tensors are cast to, if to anything.
    dtype: Option<FloatDType>,
    /// What float tensors travel in from other devices, if not in what they are.
    travels_in: Option<FloatDType>,
    received: Arc<AtomicU64>,
}

impl StageDevice {
    /// Autodiff comes with the stage: a plain device gets Burn's default strategy.
    pub(crate) fn new(device: &Device) -> Self {
        let tracked = device.clone().autodiff();
        Self {
            lead: Member::new(device, false),
            others: Arc::default(),
            strategy: tracked
                .gradient_checkpointing_strategy()
                .expect("a device with autodiff has a strategy"),
            dtype: None,
            travels_in: None,
            received: Arc::default(),
        }
    }

    /// The same as a group of these devices, its own first.
    pub(crate) fn in_group(self, members: Vec<Member>) -> Self {
        let mut members = members.into_iter();
        Self {
            lead: members.next().unwrap_or(self.lead),
            others: members.collect(),
            ..self
        }
    }

    /// The same, receiving float tensors from other devices in `dtype` where there is one.
    pub(crate) fn receiving_in(self, dtype: Option<FloatDType>) -> Self {
        Self {
            travels_in: dtype,
            ..self
        }
    }

    /// The same, computing in `dtype` where there is one.
    pub(crate) fn computing_in(self, dtype: Option<FloatDType>) -> Self {
        Self { dtype, ..self }
    }

    /// The same without half precision: what comes in half is cast back.
    pub(crate) fn in_full_precision(&self) -> Self {
        let dtype = self.dtype.map(|_| FloatDType::F32);
        self.clone().computing_in(dtype)
    }

    pub(crate) fn is_half(&self) -> bool {
        self.dtype.is_some_and(|dtype| dtype != FloatDType::F32)
    }

    /// The tensor in what this stage computes in, with its history.
    pub(crate) fn cast<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        match self.dtype {
            Some(dtype) if tensor.dtype() != dtype.into() => tensor.cast(dtype),
            _ => tensor,
        }
    }

    /// The signal in what this stage computes in, with its history. Skips in it are as this stage
    /// sees them.
    pub(crate) fn cast_signal<S: Signal>(&self, signal: S) -> S {
        match self.dtype {
            Some(_) => at_home(signal).map(&mut Cast(self)),
            None => signal,
        }
    }

    /// Where boundaries arrive, and every parameter that no layer keeps elsewhere.
    pub(crate) fn device(&self) -> &Device {
        self.lead.device()
    }

    /// All devices of the stage, its own first.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        once(&self.lead).chain(self.others.iter())
    }

    /// Whether the stage has one device.
    pub(crate) fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// Hand queued work to the devices, before another thread touches its results. All of them get
    /// theirs, also when one cannot take it.
    pub(crate) fn flush(&self) -> Result<(), String> {
        self.others
            .iter()
            .fold(self.lead.flush(), |flushed, it| flushed.and(it.flush()))
    }

    /// Whether the device of `tensor` runs asynchronously.
    fn is_asynchronous<const D: usize>(&self, tensor: &Tensor<D>) -> bool {
        if self.is_alone() {
            return self.lead.is_asynchronous();
        }
        let device = tensor.device();
        let mut members = self.members();
        members.any(|it| it.is_asynchronous() && *it.device() == device)
    }

    /// A number of `tensor`, by which to learn whether it could be computed: a device that runs
    /// asynchronously tells only those who read what came of it.
    pub(crate) fn witness<const D: usize>(&self, tensor: &Tensor<D>) -> Option<Tensor<1>> {
        let num_numbers = tensor.shape().num_elements();
        let asked = self.is_asynchronous(tensor) && num_numbers > 0;
        asked.then(|| {
            let numbers = tensor.clone().without_autodiff().reshape([num_numbers]);
            numbers.narrow(0, 0, 1)
        })
    }

    /// Wait until the devices have done all that was handed to them, or say what they could not do.
    /// Another machine's device is waited for while it `goes_on`.
    pub(crate) fn finish(
        &self,
        witness: impl IntoIterator<Item = Tensor<1>>,
        mut goes_on: impl FnMut() -> bool,
    ) -> Result<(), String> {
        self.flush()
            .map_err(|error| format!("the device cannot run what was queued: {error}"))?;
        for member in self.members() {
            member
                .prove_alive(&mut goes_on)
                .map_err(|error| format!("the device no longer answers: {error}"))?;
        }
        let mut numbers = witness.into_iter().map(Tensor::try_into_data);
        match numbers.find_map(Result::err) {
            Some(error) => Err(format!("the device could not do what it was told: {error}")),
            None => Ok(()),
        }
    }

    /// Do `work` that moves tensors between the devices of the group by moves of Burn's own: where
    /// these must take turns, in one.
    pub(crate) fn in_turn<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.is_alone() {
            return work();
        }
        let turn = take_turn(self.members().map(Member::device));
        let done = work();
        if turn.is_some() {
            // A device that cannot flush says so again before anything is sent.
            let _ = self.flush();
        }
        done
    }

    /// The same, with a count of its own of what it receives.
    pub(crate) fn counting(&self) -> Self {
        Self {
            received: Arc::default(),
            ..self.clone()
        }
    }

    /// The bytes of all tensors received so far.
    pub(crate) fn num_bytes_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The tensor on this stage's device and in its autodiff context, without a history.
    pub(crate) fn tensor<const D: usize, K: Autodiff>(&self, tensor: Tensor<D, K>) -> Tensor<D, K> {
        self.in_place(self.plain_tensor(tensor))
    }

    /// The tensor where it is, in this stage's autodiff context, without a history.
    pub(crate) fn in_place<const D: usize, K: Autodiff>(
        &self,
        tensor: Tensor<D, K>,
    ) -> Tensor<D, K> {
        tensor
            .without_autodiff()
            .autodiff()
            .with_gradient_checkpointing_strategy(self.strategy)
    }

    /// The tensor on this stage's device, without autodiff.
    pub(crate) fn plain_tensor<const D: usize, K: Autodiff>(
        &self,
        tensor: Tensor<D, K>,
    ) -> Tensor<D, K> {
        move_to(tensor.without_autodiff(), self.device())
    }

    /// The signal on this stage's device, without autodiff. What is in a skip stays where it is
    /// until a layer asks for it.
    pub(crate) fn receive<S: Signal>(&self, signal: S) -> S {
        signal.map(&mut Receive(self))
    }

    fn received<const D: usize, K: Autodiff>(&self, tensor: Tensor<D, K>) -> Tensor<D, K> {
        let num_bytes = tensor.shape().num_elements() * tensor.dtype().size();
        self.received.fetch_add(num_bytes as u64, Ordering::Relaxed);
        self.plain_tensor(tensor)
    }

    /// A float tensor that another device sent, in less precision on the way if that was asked for.
    pub(super) fn received_float<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        let dtype = tensor.dtype();
        match self.travels_in {
            Some(half) if tensor.device() != *self.device() && dtype.size() > dtype_size(half) => {
                self.received(tensor.without_autodiff().cast(half))
                    .cast(dtype)
            }
            _ => self.received(tensor),
        }
    }

    /// The signal as leaves of a graph of this stage.
    pub(crate) fn leaves<S: Signal>(&self, signal: S, require_grad: bool) -> S {
        signal.map(&mut Leaves {
            stage: self,
            require_grad,
        })
    }
}

fn dtype_size(dtype: FloatDType) -> usize {
    DType::from(dtype).size()
}

/// Hand work that is queued for the signal's tensors to their devices, before another thread
/// touches them.
pub(crate) fn flush<S: Signal>(signal: &S) {
    signal.visit(&mut Uniform(Flush(Vec::new())));
}

struct Flush(Vec<Device>);

impl TensorVisitor for Flush {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>) {
        let device = tensor.device();
        if !self.0.contains(&device) {
            // A device that cannot flush fails in the stage that reads from it.
            let _ = device.flush();
            self.0.push(device);
        }
    }
}

/// A number of the signal's first float tensor: see [`StageDevice::witness`].
pub(super) fn witness<S: Signal>(signal: &S, stage: &StageDevice) -> Option<Tensor<1>> {
    let mut found = Witness { stage, found: None };
    signal.visit(&mut found);
    found.found
}

struct Witness<'a> {
    stage: &'a StageDevice,
    found: Option<Tensor<1>>,
}

impl SignalVisitor for Witness<'_> {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        if self.found.is_none() {
            self.found = self.stage.witness(tensor);
        }
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}

    /// What is in a skip stays where it is.
    fn visit_skip<T: Signal>(&mut self, _skip: &Skip<T>) {}
}

/// The signal without autodiff: all that ever crosses to another thread.
pub(crate) fn plain<S: Signal>(signal: S) -> S {
    signal.map(&mut Uniform(Plain))
}

struct Plain;

impl TensorMapper for Plain {
    fn map_tensor<const D: usize, K: Autodiff + 'static>(
        &mut self,
        tensor: Tensor<D, K>,
    ) -> Tensor<D, K> {
        tensor.without_autodiff()
    }
}

struct Receive<'a>(&'a StageDevice);

impl SignalMapper for Receive<'_> {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        self.0.received_float(tensor)
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        self.0.received(tensor)
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        self.0.received(tensor)
    }

    fn map_skip<T: Signal>(&mut self, skip: Skip<T>) -> Skip<T> {
        skip.arrive(self.0)
    }
}

struct Cast<'a>(&'a StageDevice);

impl SignalMapper for Cast<'_> {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        self.0.cast(tensor)
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        tensor
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        tensor
    }
}

struct Leaves<'a> {
    stage: &'a StageDevice,
    require_grad: bool,
}

impl SignalMapper for Leaves<'_> {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        self.stage
            .tensor(tensor)
            .set_require_grad(self.require_grad)
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        self.stage.tensor(tensor)
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        self.stage.tensor(tensor)
    }

    fn map_skip<T: Signal>(&mut self, skip: Skip<T>) -> Skip<T> {
        match skip.is_foreign() {
            true => skip.into_leaves(self.require_grad),
            false => skip.map_value(self),
        }
    }
}
