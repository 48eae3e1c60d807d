//! A value that travels straight from the stage that made it to the one that uses it.

use core::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Bool, Int, Tensor};

use super::{Signal, SignalMapper, SignalVisitor, StageDevice};

/// A value made in one layer and used in a far one: a long skip connection.
///
/// A layer wraps the value with [`new`](Skip::new) and sends it along; layers between pass it on;
/// the layer that needs it asks for it with [`get`](Skip::get). Only then it moves, straight from
/// the device that it was made on to the one that uses it, and its gradient straight back. Stages
/// between hold a handle and move nothing, where a plain tensor in their signal would be moved at
/// every cut, and its gradient again.
///
/// Until its micro-batch has run backward everywhere, the value stays in the memory of the device
/// that made it, and where it was used also there.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::Linear;
/// use burn::tensor::Tensor;
/// use burn_pipeline::{Layer, Skip};
///
/// #[derive(Module, Debug)]
/// struct Down {
///     linear: Linear,
/// }
///
/// #[derive(Module, Debug)]
/// struct Up {
///     linear: Linear,
/// }
///
/// impl Layer for Down {
///     type Input = Tensor<2>;
///     type Output = (Tensor<2>, Skip<Tensor<2>>);
///
///     fn forward(&self, input: Tensor<2>) -> Self::Output {
///         (self.linear.forward(input.clone()), Skip::new(input))
///     }
/// }
///
/// impl Layer for Up {
///     type Input = (Tensor<2>, Skip<Tensor<2>>);
///     type Output = Tensor<2>;
///
///     fn forward(&self, (input, skip): Self::Input) -> Tensor<2> {
///         self.linear.forward(input) + skip.get()
///     }
/// }
/// ```
///
/// Several skips at once are a `Vec` of them that layers push to and pop from.
#[derive(Clone)]
pub struct Skip<T> {
    value: T,
    id: u64,
    /// Absent on the stage that made the value.
    arrival: Option<Arc<Arrival<T>>>,
}

/// A skip on a stage that did not make it.
struct Arrival<T> {
    stage: StageDevice,
    /// Whether its leaves require gradients; without any, while there is no autodiff.
    leaves: Option<bool>,
    moved: Slot<T>,
    leaf: Slot<T>,
}

/// Shared by the copies of a skip on one stage. The first copy is what a recomputation starts from.
type Slot<T> = Arc<Mutex<Option<T>>>;

fn get_or<T: Clone>(slot: &Slot<T>, make: impl FnOnce() -> T) -> T {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    slot.get_or_insert_with(make).clone()
}

impl<T: Signal> Skip<T> {
    /// Send `value` to the layers that will ask for it.
    pub fn new(value: T) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            value,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            arrival: None,
        }
    }

    /// The value, on the device of the stage that asks and in its autodiff context. The first time
    /// on a stage moves it there.
    pub fn get(&self) -> T {
        let Some(arrival) = &self.arrival else {
            return self.value.clone();
        };
        let moved = || get_or(&arrival.moved, || arrival.stage.receive(self.value.clone()));
        match arrival.leaves {
            None => moved(),
            Some(require_grad) => get_or(&arrival.leaf, || {
                arrival.stage.leaves(moved(), require_grad)
            }),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Whether another stage made the value.
    pub(crate) fn is_foreign(&self) -> bool {
        self.arrival.is_some()
    }

    /// What this stage's graph knows of it: the value itself, or the leaves that it became.
    pub(crate) fn recorded(&self) -> Option<T> {
        match &self.arrival {
            None => Some(self.value.clone()),
            Some(arrival) => {
                let leaf = arrival.leaf.lock().unwrap_or_else(PoisonError::into_inner);
                leaf.clone()
            }
        }
    }

    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// The same skip with another value, at home.
    pub(crate) fn map_value<M: SignalMapper>(self, mapper: &mut M) -> Self {
        Self {
            value: self.value.map(mapper),
            id: self.id,
            arrival: None,
        }
    }

    /// The skip on a stage that it has reached, where it is.
    pub(crate) fn arrive(self, stage: &StageDevice) -> Self {
        let arrival = Arrival {
            stage: stage.clone(),
            leaves: None,
            moved: Slot::default(),
            leaf: Slot::default(),
        };
        Self {
            arrival: Some(Arc::new(arrival)),
            ..self
        }
    }

    /// A skip that has arrived, to be recorded from.
    pub(crate) fn into_leaves(self, require_grad: bool) -> Self {
        let arrival = self.arrival.map(|arrival| {
            Arc::new(Arrival {
                stage: arrival.stage.clone(),
                leaves: Some(require_grad),
                moved: arrival.moved.clone(),
                leaf: Slot::default(),
            })
        });
        Self { arrival, ..self }
    }
}

/// The signal with the value of every skip in it as this stage sees it, for a loss that joins
/// those of several micro-batches.
pub(crate) fn at_home<S: Signal>(signal: S) -> S {
    signal.map(&mut AtHome)
}

struct AtHome;

impl SignalMapper for AtHome {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        tensor
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        tensor
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        tensor
    }

    fn map_skip<T: Signal>(&mut self, skip: Skip<T>) -> Skip<T> {
        Skip {
            value: skip.get(),
            id: skip.id,
            arrival: None,
        }
    }
}

impl<T: Signal> Signal for Skip<T> {
    fn visit<V: SignalVisitor>(&self, visitor: &mut V) {
        visitor.visit_skip(self);
    }

    fn map<M: SignalMapper>(self, mapper: &mut M) -> Self {
        mapper.map_skip(self)
    }
}

impl<T: fmt::Debug> fmt::Debug for Skip<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Skip").field(&self.value).finish()
    }
}
