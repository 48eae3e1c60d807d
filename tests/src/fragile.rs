//! A model that fails where a test tells it to.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Lift, Signal, SignalMapper, SignalVisitor, Skip, lift};

/// What is counted, on the worker of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A layer runs: in a forward, or in a recomputation.
    Run,
    /// A signal shows its tensors: in a backward.
    Visit,
}

/// Where to fail: shared by a model and its test.
#[derive(Debug, Clone, Default)]
pub struct Fault(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    armed: Option<(usize, Event)>,
    left: usize,
}

impl Fault {
    /// Fail at the `nth` event of this kind on the worker of `stage`, counted from 0.
    pub fn arm(&self, stage: usize, event: Event, nth: usize) {
        *self.state() = State {
            armed: Some((stage, event)),
            left: nth,
        };
    }

    fn happens(&self, event: Event) {
        let mut state = self.state();
        let name = std::thread::current()
            .name()
            .unwrap_or_default()
            .to_string();
        match state.armed {
            Some((stage, armed)) if armed == event && name == format!("stage-{stage}") => {}
            _ => return,
        }
        if state.left > 0 {
            state.left -= 1;
            return;
        }
        state.armed = None;
        drop(state);
        panic!("a fault that the test asked for");
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A matrix that counts how often it is looked at.
#[derive(Debug, Clone)]
pub struct Watched(pub Tensor<2>, pub Fault);

impl Signal for Watched {
    fn visit<V: SignalVisitor>(&self, visitor: &mut V) {
        self.1.happens(Event::Visit);
        visitor.visit_float(&self.0);
    }

    fn map<M: SignalMapper>(self, mapper: &mut M) -> Self {
        Self(mapper.map_float(self.0), self.1)
    }
}

/// A layer with everything that a failed step must not move on: parameters, running statistics,
/// random numbers.
#[derive(Module, Debug)]
pub struct Fragile {
    linear: Linear,
    norm: BatchNorm,
    dropout: Dropout,
    #[module(skip)]
    fault: Fault,
}

impl Layer for Fragile {
    type Input = Watched;
    type Output = Watched;

    fn forward(&self, input: Watched) -> Watched {
        let hidden = self.linear.forward(input.0);
        self.fault.happens(Event::Run);
        let hidden = self.norm.forward(hidden);
        Watched(self.dropout.forward(hidden), input.1)
    }
}

/// `num_layers` such layers of `width`, and what makes them fail.
pub fn fragile(num_layers: usize, width: usize, device: &Device) -> (Vec<Fragile>, Fault) {
    let fault = Fault::default();
    let layer = |_| Fragile {
        linear: LinearConfig::new(width, width).init(device),
        norm: BatchNormConfig::new(width).init(device),
        dropout: DropoutConfig::new(0.2).init(),
        fault: fault.clone(),
    };
    let layers = (0..num_layers).map(layer).collect();
    (crate::data::filled(layers), fault)
}

/// What goes on, and what waits for the last layer.
pub type Bridged = (Watched, Vec<Skip<Tensor<2>>>);

/// Such layers between the two ends of a skip: the first sends what it computes, the last uses it.
pub type Bridge = Vec<Lift<Fragile, Bridged, Bridged>>;

/// A bridge of `num_layers`, at least 2, of `width`, and what makes it fail.
pub fn bridge(num_layers: usize, width: usize, device: &Device) -> (Bridge, Fault) {
    let (layers, fault) = fragile(num_layers, width, device);
    let layers = layers.into_iter().enumerate().map(|(layer, fragile)| {
        let forward: fn(&Fragile, Bridged) -> Bridged = match layer {
            0 => |fragile, (input, mut skips)| {
                let output = fragile.forward(input);
                skips.push(Skip::new(output.0.clone()));
                (output, skips)
            },
            _ if layer + 1 == num_layers => |fragile, (input, mut skips)| {
                let skip = skips.pop().expect("the first layer has sent it").get();
                let Watched(output, fault) = fragile.forward(input);
                (Watched(output * skip, fault), skips)
            },
            _ => |fragile, (input, skips)| (fragile.forward(input), skips),
        };
        lift(fragile, forward)
    });
    (layers.collect(), fault)
}
