use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Sequential};

use super::{Toy, mean_square};
use crate::data::{filled, floats};

/// One weight in four of six layers: there, back, there and back.
#[derive(Module, Sequential, Debug)]
pub struct Tied {
    there: Times,
    hidden: Hidden,
    back: TimesTransposed,
    again: Times,
    more: Hidden,
    output: TimesTransposed,
}

#[derive(Module, Debug)]
struct Times {
    weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct TimesTransposed {
    weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct Hidden {
    linear: Linear,
}

impl Layer for Times {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input.matmul(self.weight.val())
    }
}

impl Layer for TimesTransposed {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input.matmul(self.weight.val().transpose())
    }
}

impl Layer for Hidden {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.linear.forward(input).tanh()
    }
}

impl Toy for Tied {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        let weight = filled(LinearConfig::new(4, 6).init(device)).weight;
        let hidden = || Hidden {
            linear: filled(LinearConfig::new(6, 6).init(device)),
        };
        Self {
            there: Times {
                weight: weight.clone(),
            },
            hidden: hidden(),
            back: TimesTransposed {
                weight: weight.clone(),
            },
            again: Times {
                weight: weight.clone(),
            },
            more: hidden(),
            output: TimesTransposed { weight },
        }
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        (
            floats([num_samples, 4], 1, device),
            floats([num_samples, 4], 2, device),
        )
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}

/// The same model as one would write it without a pipeline: the weight is one field, used four
/// times.
#[derive(Module, Debug)]
pub struct Untied {
    weight: Param<Tensor<2>>,
    hidden: Hidden,
    more: Hidden,
}

impl Untied {
    /// With the parameters of `model`, ids included.
    pub fn of(model: Tied) -> Self {
        Self {
            weight: model.there.weight,
            hidden: model.hidden,
            more: model.more,
        }
    }

    /// What `Tied` computes.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let there = self.hidden.forward(input.matmul(weight.clone()));
        let back = there.matmul(weight.clone().transpose());
        let again = self.more.forward(back.matmul(weight.clone()));
        again.matmul(weight.transpose())
    }

    /// The values of the one weight and of the two hidden layers' weights.
    pub fn weights(&self) -> [Vec<f32>; 3] {
        let of = |param: &Param<Tensor<2>>| crate::compare::values(param.val().into_data());
        [
            of(&self.weight),
            of(&self.hidden.linear.weight),
            of(&self.more.linear.weight),
        ]
    }
}

impl Tied {
    /// The values of the weight in each layer that holds it.
    pub fn copies(&self) -> [Vec<f32>; 4] {
        [
            &self.there.weight,
            &self.back.weight,
            &self.again.weight,
            &self.output.weight,
        ]
        .map(|param| crate::compare::values(param.val().into_data()))
    }
}
