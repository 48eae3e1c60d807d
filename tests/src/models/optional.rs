use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, Sequential};

use super::{Toy, mean_square};
use crate::data::{filled, floats};

/// A tensor, and one that skips layers until it is used up.
pub type WithSkip = (Tensor<2>, Option<Tensor<2>>);

/// A layer, and what it does about the skip.
#[derive(Module, Debug)]
pub struct Skip {
    linear: Linear,
    begins: bool,
    ends: bool,
}

impl Layer for Skip {
    type Input = WithSkip;
    type Output = WithSkip;

    fn forward(&self, (hidden, skip): WithSkip) -> WithSkip {
        let hidden = self.linear.forward(hidden).tanh();
        match skip {
            Some(skip) if self.ends => (hidden + skip, None),
            None if self.begins => (hidden.clone(), Some(hidden)),
            skip => (hidden, skip),
        }
    }
}

/// Options of tensors between its five layers: some, some, none, some.
#[derive(Module, Sequential, Debug)]
pub struct Optional {
    layers: Vec<Skip>,
}

impl Toy for Optional {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        let layer = |begins, ends| Skip {
            linear: LinearConfig::new(5, 5).init(device),
            begins,
            ends,
        };
        filled(Self {
            layers: vec![
                layer(true, false),
                layer(false, false),
                layer(false, true),
                layer(true, false),
                layer(false, true),
            ],
        })
    }

    fn batch(num_samples: usize, device: &Device) -> (WithSkip, Tensor<2>) {
        let input = floats([num_samples, 5], 1, device);
        ((input, None), floats([num_samples, 5], 2, device))
    }

    fn loss((output, skip): WithSkip, target: Tensor<2>) -> Tensor<1> {
        assert!(skip.is_none(), "the last layer has used the skip up");
        mean_square(output, target)
    }
}
