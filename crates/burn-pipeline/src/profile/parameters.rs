//! The bytes of a model's parameters, layer by layer.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use burn_pipeline_plan::SharedParameter;

use crate::layer::{LayerVisitor, Sequential};

/// The bytes of the parameters that train.
pub(super) struct ParameterBytes {
    /// Of each layer, but for those that other layers hold too.
    pub(super) layers: Vec<u64>,
    /// Those.
    pub(super) shared: Vec<SharedParameter>,
}

impl ParameterBytes {
    pub(super) fn of<M: Sequential>(model: &M) -> Self {
        let mut reader = Reader::default();
        model.visit_layers(&mut reader);
        let Reader { layers, holders } = reader;

        let is_shared = |param: &ParamId| holders[param].len() > 1;
        let own = |params: &Vec<(ParamId, u64)>| {
            let own = params.iter().filter(|(param, _)| !is_shared(param));
            own.map(|(_, bytes)| bytes).sum()
        };
        let mut seen = HashSet::new();
        let shared = layers.iter().flatten();
        let shared = shared.filter(|(param, _)| is_shared(param) && seen.insert(*param));
        Self {
            shared: shared
                .map(|(param, bytes)| SharedParameter {
                    bytes: *bytes,
                    layers: holders[param].clone(),
                })
                .collect(),
            layers: layers.iter().map(own).collect(),
        }
    }
}

impl ParameterBytes {
    /// Of each layer, what others hold too included.
    pub(super) fn with_shared(&self) -> Vec<u64> {
        let mut layers = self.layers.clone();
        for shared in &self.shared {
            for &layer in &shared.layers {
                layers[layer] += shared.bytes;
            }
        }
        layers
    }
}

#[derive(Default)]
struct Reader {
    /// The parameters of each layer, in their order, each once.
    layers: Vec<Vec<(ParamId, u64)>>,
    /// The layers that hold each.
    holders: HashMap<ParamId, Vec<usize>>,
}

impl LayerVisitor for Reader {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        let mut params = Params::default();
        layer.visit(&mut params);
        let index = self.layers.len();
        for (param, _) in &params.found {
            self.holders.entry(*param).or_default().push(index);
        }
        self.layers.push(params.found);
    }
}

#[derive(Default)]
struct Params {
    seen: HashSet<ParamId>,
    found: Vec<(ParamId, u64)>,
}

impl ModuleVisitor for Params {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() && self.seen.insert(param.id) {
            let tensor = param.base();
            let bytes = tensor.shape().num_elements() * tensor.dtype().size();
            self.found.push((param.id, bytes as u64));
        }
    }
}
