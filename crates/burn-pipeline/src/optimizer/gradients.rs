//! Looking at all gradients of a module, and changing them, each on its own device.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};

/// One number of a gradient.
pub(super) trait Measure {
    /// Shape `[1]`, on the device of the gradient.
    fn measure<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<1>;
}

/// Another gradient in the place of one.
pub(super) trait Change {
    fn change<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D>;
}

/// Measure every gradient of `module` once, in the order of its parameters. One read per device
/// and precision.
pub(super) fn measure<M: Module>(
    module: &M,
    grads: &GradientsParams,
    measure: &impl Measure,
) -> Vec<f64> {
    let mut visitor = Measuring {
        grads,
        measure,
        seen: HashSet::new(),
        batches: Vec::new(),
    };
    module.visit(&mut visitor);

    let mut measured = vec![0.0; visitor.seen.len()];
    for batch in visitor.batches {
        let values = Tensor::cat(batch.values, 0).into_data();
        for (place, value) in batch.places.into_iter().zip(values.iter::<f64>()) {
            measured[place] = value;
        }
    }
    measured
}

/// Change every gradient of `module` once, in place where nobody else holds it.
pub(super) fn change<M: Module>(module: &M, grads: &mut GradientsParams, change: &impl Change) {
    module.visit(&mut Changing {
        grads,
        change,
        seen: HashSet::new(),
    });
}

/// What can be read at once.
struct Batch {
    device: Device,
    dtype: DType,
    places: Vec<usize>,
    values: Vec<Tensor<1>>,
}

struct Measuring<'a, T> {
    grads: &'a GradientsParams,
    measure: &'a T,
    /// The parameters that have been measured: a parameter of several fields has one gradient.
    seen: HashSet<ParamId>,
    batches: Vec<Batch>,
}

impl<T: Measure> ModuleVisitor for Measuring<'_, T> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.seen.contains(&param.id) {
            return;
        }
        let Some(gradient) = self.grads.get::<D>(param.id) else {
            return;
        };
        let place = self.seen.len();
        self.seen.insert(param.id);
        let value = self.measure.measure(gradient);
        let (device, dtype) = (value.device(), value.dtype());
        let mut batches = self.batches.iter_mut();
        match batches.find(|batch| batch.device == device && batch.dtype == dtype) {
            Some(batch) => {
                batch.places.push(place);
                batch.values.push(value);
            }
            None => self.batches.push(Batch {
                device,
                dtype,
                places: vec![place],
                values: vec![value],
            }),
        }
    }
}

struct Changing<'a, T> {
    grads: &'a mut GradientsParams,
    change: &'a T,
    seen: HashSet<ParamId>,
}

impl<T: Change> ModuleVisitor for Changing<'_, T> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let Some(gradient) = self.grads.remove::<D>(param.id) {
            let changed = self.change.change(gradient);
            self.grads.register(param.id, changed);
        }
    }
}
