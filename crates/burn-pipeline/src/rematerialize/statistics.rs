//! Running statistics that a step has moved on.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use super::OwnLayers;
use crate::layer::{LayerMapper, LayerVisitor, Sequential};

/// The values that a stage's layers changed themselves while they ran: batch norm's running mean
/// and variance, and whatever else Burn keeps in a `RunningState`.
///
/// A running state looks like a parameter that requires no gradient, and mapping it replaces the
/// value that all of its clones share. So frozen parameters come along, unchanged, and committing
/// to a clone reaches the model for the states and nothing else.
#[derive(Default)]
pub(crate) struct Statistics(HashMap<ParamId, Box<dyn Any + Send>>);

impl Statistics {
    pub(crate) fn of<M: Sequential>(model: &M, layers: &Range<usize>) -> Self {
        let mut statistics = Self::default();
        model.visit_layers(&mut Settled {
            layers,
            next: 0,
            statistics: &mut statistics,
        });
        statistics
    }

    /// Leave the statistics of `id` as they are.
    pub(crate) fn forget(&mut self, id: ParamId) {
        self.0.remove(&id);
    }

    pub(crate) fn set<const D: usize>(&mut self, id: ParamId, value: Tensor<D>) {
        self.0.insert(id, Box::new(value));
    }

    /// Make these the running statistics of `model` and of all its clones.
    pub(crate) fn commit<M: Sequential>(mut self, model: &M, layers: &Range<usize>) {
        if !self.0.is_empty() {
            model
                .clone()
                .map_layers(&mut OwnLayers::new(layers, Commit(&mut self)));
        }
    }
}

/// The latest update of a running state waits for the next one: `valid` settles it.
struct Settled<'a> {
    layers: &'a Range<usize>,
    next: usize,
    statistics: &'a mut Statistics,
}

impl LayerVisitor for Settled<'_> {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        let mut trained = Untrained::default();
        if self.layers.contains(&self.next) {
            layer.visit(&mut trained);
        }
        if !trained.0.is_empty() {
            layer.valid().visit(&mut Collect {
                ids: &trained.0,
                statistics: self.statistics,
            });
        }
        self.next += 1;
    }
}

#[derive(Default)]
struct Untrained(Vec<ParamId>);

impl ModuleVisitor for Untrained {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            self.0.push(param.id);
        }
    }
}

struct Collect<'a> {
    ids: &'a [ParamId],
    statistics: &'a mut Statistics,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.ids.contains(&param.id) {
            self.statistics.0.insert(param.id, Box::new(param.base()));
        }
    }
}

struct Commit<'a>(&'a mut Statistics);

impl LayerMapper for Commit<'_> {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        layer.map(self)
    }
}

impl ModuleMapper for Commit<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = self.0.0.remove(&param.id);
        let Some(value) = value.and_then(|value| value.downcast::<Tensor<D>>().ok()) else {
            return param;
        };
        param.map(|tensor| {
            // A stage that computes in half precision has them in it.
            let value = value.cast(tensor.dtype());
            match tensor.gradient_checkpointing_strategy() {
                Some(strategy) => value
                    .autodiff()
                    .with_gradient_checkpointing_strategy(strategy),
                None => value,
            }
        })
    }
}
