//! The gradients of parameters, summed over micro-batches and gathered over stages.

use std::ops::Range;

use burn::module::{ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Gradients, Tensor};

use crate::layer::Sequential;
use crate::rematerialize::OwnLayers;

/// Add what a backward pass left at the parameters of `model`'s `layers` to `sums`. The order of
/// the calls is the order of the sum.
pub(crate) fn accumulate<M: Sequential>(
    model: &M,
    layers: &Range<usize>,
    gradients: &mut Gradients,
    sums: &mut GradientsParams,
) {
    let mut accumulate = Accumulate { gradients, sums };
    model.visit_layers(&mut OwnLayers::new(layers, &mut accumulate));
}

/// Move the sums of one stage to those of all.
pub(crate) fn gather<M: Sequential>(
    model: &M,
    layers: &Range<usize>,
    mut from: GradientsParams,
    to: &mut GradientsParams,
) {
    let mut gather = Gather {
        from: &mut from,
        to,
    };
    model.visit_layers(&mut OwnLayers::new(layers, &mut gather));
}

struct Accumulate<'a> {
    gradients: &'a mut Gradients,
    sums: &'a mut GradientsParams,
}

impl ModuleVisitor for Accumulate<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = param.base().grad_remove(self.gradients) else {
            return;
        };
        let sum = match self.sums.remove::<D>(param.id) {
            Some(sum) => sum + gradient,
            None => gradient,
        };
        self.sums.register(param.id, sum);
    }
}

struct Gather<'a> {
    from: &'a mut GradientsParams,
    to: &'a mut GradientsParams,
}

impl ModuleVisitor for Gather<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(sum) = self.from.remove::<D>(param.id) {
            self.to.register(param.id, sum);
        }
    }
}
