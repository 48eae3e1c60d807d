use std::marker::PhantomData;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Lift, Signal, Skip, lift};

use super::{Toy, mean_square};
use crate::data::{filled, floats};

/// How a value gets from a layer to a far one.
pub trait Carried: Signal {
    /// Send it.
    fn carry(value: Tensor<2>) -> Self;
    /// Use it.
    fn value(&self) -> Tensor<2>;
}

impl Carried for Tensor<2> {
    fn carry(value: Tensor<2>) -> Self {
        value
    }

    fn value(&self) -> Tensor<2> {
        self.clone()
    }
}

impl Carried for Skip<Tensor<2>> {
    fn carry(value: Tensor<2>) -> Self {
        Skip::new(value)
    }

    fn value(&self) -> Tensor<2> {
        self.get()
    }
}

/// What goes on, and what waits for its layer.
pub type Stacked<C> = (Tensor<2>, Vec<C>);

type Forward<C> = fn(&Linear, Stacked<C>) -> Stacked<C>;

/// Seven layers: three that send their output far, one, and three that use what was sent last.
pub struct Skips<C>(PhantomData<C>);

fn down<C: Carried>(linear: &Linear, (input, mut stack): Stacked<C>) -> Stacked<C> {
    let output = linear.forward(input).tanh();
    stack.push(C::carry(output.clone()));
    (output, stack)
}

fn between<C: Carried>(linear: &Linear, (input, stack): Stacked<C>) -> Stacked<C> {
    (linear.forward(input).tanh(), stack)
}

fn up<C: Carried>(linear: &Linear, (input, mut stack): Stacked<C>) -> Stacked<C> {
    let skipped = stack.pop().expect("as many downs as ups").value();
    (linear.forward(input).tanh() * skipped, stack)
}

impl<C: Carried> Toy for Skips<C> {
    type Model = Vec<Lift<Linear, Stacked<C>, Stacked<C>>>;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self::Model {
        let layers: [Forward<C>; 7] = [down, down, down, between, up, up, up];
        let model = layers.map(|forward| lift(LinearConfig::new(4, 4).init(device), forward));
        filled(model.into())
    }

    fn batch(num_samples: usize, device: &Device) -> (Stacked<C>, Tensor<2>) {
        (
            (floats([num_samples, 4], 1, device), Vec::new()),
            floats([num_samples, 4], 2, device),
        )
    }

    fn loss((output, _): Stacked<C>, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}
