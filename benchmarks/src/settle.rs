//! Waiting for devices that compute later than they are asked to.
//!
//! The loss is known before the backward passes end, on whichever stage, so a measured step ends
//! with a number of what it makes last. Each stage computes in one order, and one number per layer
//! is not many.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn_pipeline::{LayerVisitor, Sequential};

/// Wait until all stages have computed their gradients.
pub fn wait_for_gradients<M: Sequential>(model: &M, grads: &GradientsParams) {
    model.visit_layers(&mut Layers(Some(grads)));
}

/// Wait until all stages have computed their parameters.
pub fn wait_for_parameters<M: Sequential>(model: &M) {
    model.visit_layers(&mut Layers(None));
}

/// Wait until `tensor` has been computed: read one number of it.
pub fn wait_for<const D: usize>(tensor: Tensor<D>) {
    let size = tensor.shape().num_elements();
    tensor.reshape([size]).narrow(0, 0, 1).into_data();
}

struct Layers<'a>(Option<&'a GradientsParams>);

impl LayerVisitor for Layers<'_> {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        layer.visit(&mut First {
            grads: self.0,
            found: false,
        });
    }
}

/// Reads of the first parameter that there is something of.
struct First<'a> {
    grads: Option<&'a GradientsParams>,
    found: bool,
}

impl ModuleVisitor for First<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.found {
            return;
        }
        let tensor = match self.grads {
            Some(grads) => grads.get::<D>(param.id),
            None => Some(param.val().without_autodiff()),
        };
        if let Some(tensor) = tensor {
            self.found = true;
            wait_for(tensor);
        }
    }
}
