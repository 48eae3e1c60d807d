//! The gradients of parameters, summed over micro-batches and gathered over stages.

use std::ops::Range;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Gradients, Tensor};

use crate::layer::{LayerVisitor, Sequential};
use crate::signal::{StageDevice, Witness};
use crate::transfer::move_to;

/// The gradients of one chunk's parameters, layer by layer.
///
/// A parameter that two layers hold has two sums here. They are added in the order of the layers
/// once all stages are done, so the order of that sum does not depend on where the cuts fall.
pub(crate) struct LayerGradients {
    layers: Range<usize>,
    sums: Vec<GradientsParams>,
    /// What they are summed in.
    device: StageDevice,
}

impl LayerGradients {
    /// None yet, for these layers of the model.
    pub(crate) fn new(layers: Range<usize>, device: StageDevice) -> Self {
        let sums = layers.clone().map(|_| GradientsParams::new()).collect();
        Self {
            layers,
            sums,
            device,
        }
    }

    /// These, leaving none.
    pub(crate) fn take(&mut self) -> Self {
        let none = Self::new(self.layers.clone(), self.device.clone());
        std::mem::replace(self, none)
    }

    /// Add what a backward pass left at the parameters of `model`. The order of the calls is the
    /// order of the sum. A number of the sum that each device computed last comes back, where it has
    /// to be asked whether it could.
    pub(crate) fn accumulate<M: Sequential>(
        &mut self,
        model: &M,
        gradients: &mut Gradients,
    ) -> Witness {
        let mut accumulate = Accumulate {
            next: 0,
            layers: &self.layers,
            sums: &mut self.sums,
            device: &self.device,
            gradients,
            witness: Witness::default(),
        };
        model.visit_layers(&mut accumulate);
        accumulate.witness
    }

    /// Add them to those of the chunks before. A parameter of several layers has its gradient on
    /// the device of the first.
    pub(crate) fn gather<M: Sequential>(mut self, model: &M, to: &mut GradientsParams) {
        model.visit_layers(&mut Gather {
            next: 0,
            layers: &self.layers,
            sums: &mut self.sums,
            to,
        });
    }
}

/// The place of the next layer in a chunk, if it is one of the chunk's.
fn place_of(next: &mut usize, layers: &Range<usize>) -> Option<usize> {
    let layer = *next;
    *next += 1;
    layers.contains(&layer).then(|| layer - layers.start)
}

struct Accumulate<'a> {
    next: usize,
    layers: &'a Range<usize>,
    sums: &'a mut [GradientsParams],
    device: &'a StageDevice,
    gradients: &'a mut Gradients,
    witness: Witness,
}

impl LayerVisitor for Accumulate<'_> {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        if let Some(place) = place_of(&mut self.next, self.layers) {
            layer.visit(&mut Add {
                gradients: self.gradients,
                device: self.device,
                sums: &mut self.sums[place],
                witness: &mut self.witness,
            });
        }
    }
}

struct Add<'a> {
    gradients: &'a mut Gradients,
    device: &'a StageDevice,
    sums: &'a mut GradientsParams,
    witness: &'a mut Witness,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = param.base().grad_remove(self.gradients) else {
            return;
        };
        let gradient = self.device.cast(gradient);
        let sum = match self.sums.remove::<D>(param.id) {
            Some(sum) if self.device.is_alone() => sum + gradient,
            // A layer may hold it on several devices.
            Some(sum) => {
                let gradient = move_to(gradient, &sum.device());
                sum + gradient
            }
            None => gradient,
        };
        // The first layer's is the last that a backward pass comes to.
        self.witness.first(&sum, self.device);
        self.sums.register(param.id, sum);
    }
}

struct Gather<'a> {
    next: usize,
    layers: &'a Range<usize>,
    sums: &'a mut [GradientsParams],
    to: &'a mut GradientsParams,
}

impl LayerVisitor for Gather<'_> {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        if let Some(place) = place_of(&mut self.next, self.layers) {
            layer.visit(&mut Move {
                from: &mut self.sums[place],
                to: self.to,
            });
        }
    }
}

struct Move<'a> {
    from: &'a mut GradientsParams,
    to: &'a mut GradientsParams,
}

impl ModuleVisitor for Move<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(sum) = self.from.remove::<D>(param.id) else {
            return;
        };
        let sum = match self.to.remove::<D>(param.id) {
            Some(first) => {
                let sum = move_to(sum, &first.device());
                first + sum
            }
            None => sum,
        };
        self.to.register(param.id, sum);
    }
}
