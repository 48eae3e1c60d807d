//! Which layer a parameter belongs to.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};

use crate::PipelineError;
use crate::layer::{LayerVisitor, Sequential};

/// Every parameter belongs to a layer, and what a layer counts while it runs to one alone.
pub(crate) fn refuse_homeless_and_shared<M: Sequential>(model: &M) -> Result<(), PipelineError> {
    let mut owners = Owners::default();
    model.visit_layers(&mut owners);
    let mut all = Ids::default();
    model.visit(&mut all);
    let outside = all.0.iter().filter(|id| !owners.first.contains_key(id));
    let num_outside = outside.count();
    if num_outside > 0 {
        return Err(PipelineError::Configuration(format!(
            "{num_outside} of the model's {} parameters are in no layer, so no stage would hold them: take `#[sequential(skip)]` off their fields, or move them into a layer",
            all.0.len()
        )));
    }
    match owners.shared {
        Some(shared) => Err(PipelineError::Configuration(shared)),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Ids(Vec<ParamId>);

impl ModuleVisitor for Ids {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.id);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.0.push(param.id);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.0.push(param.id);
    }
}

/// Finds the layers of each parameter by its id: a look at its value would initialise it, and the
/// whole model where it was made.
#[derive(Default)]
struct Owners {
    path: Vec<String>,
    fields: Vec<String>,
    num_layers: usize,
    first: HashMap<ParamId, (usize, String)>,
    shared: Option<String>,
}

/// The names that Burn's batch norm gives its running statistics.
const RUNNING: [&str; 2] = ["running_mean", "running_var"];

impl Owners {
    fn owns(&mut self, param: ParamId) {
        let layer = self.num_layers;
        let path = self.path.join(".");
        let (first, first_path) = self.first.entry(param).or_insert((layer, path.clone()));
        let is_running = self
            .fields
            .last()
            .is_some_and(|name| RUNNING.contains(&name.as_str()));
        if *first != layer && is_running {
            self.shared = Some(format!(
                "layer {first} `{first_path}` and layer {layer} `{path}` share a batch norm, whose running statistics would depend on which of them runs first: give each layer its own batch norm, or make one layer of the two"
            ));
        }
    }
}

impl LayerVisitor for Owners {
    fn enter(&mut self, name: &str) {
        self.path.push(name.to_string());
    }

    fn visit_layer<L: Module>(&mut self, layer: &L) {
        layer.visit(self);
        self.num_layers += 1;
    }

    fn exit(&mut self) {
        self.path.pop();
    }
}

impl ModuleVisitor for Owners {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.fields.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.fields.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.owns(param.id);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.owns(param.id);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.owns(param.id);
    }
}
