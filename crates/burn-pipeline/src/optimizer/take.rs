//! Taking parameters out of a pipeline to be updated, and putting them back.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::owners::Owners;
use super::update::{Taken, Update};
use crate::PipelineError;

/// Whether each gradient has the shape of its parameter.
pub(super) fn check<M: Module>(module: &M, grads: &GradientsParams) -> Result<(), PipelineError> {
    let mut check = Check {
        grads,
        path: Vec::new(),
        seen: HashSet::new(),
        wrong: None,
    };
    module.visit(&mut check);
    match check.wrong {
        Some(wrong) => Err(PipelineError::Optimizer(wrong)),
        None => Ok(()),
    }
}

struct Check<'a> {
    grads: &'a GradientsParams,
    path: Vec<String>,
    seen: HashSet<ParamId>,
    wrong: Option<String>,
}

impl ModuleVisitor for Check<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.wrong.is_some() || !self.seen.insert(param.id) {
            return;
        }
        let shape = param.lazy_shape();
        // Burn panics when the rank is another.
        let gradient = catch_unwind(AssertUnwindSafe(|| self.grads.get::<D>(param.id)));
        let found = match gradient {
            Ok(None) => return,
            Ok(Some(gradient)) if gradient.shape() == shape => return,
            Ok(Some(gradient)) => format!("shape {:?}", gradient.shape().as_slice()),
            Err(_) => "another rank".to_string(),
        };
        self.wrong = Some(format!(
            "the gradient of parameter `{}` has {found}, but the parameter has shape {:?}: step with the gradients of this model, as `train_step` returned them",
            self.path.join("."),
            shape.as_slice()
        ));
    }
}

/// Takes every parameter that has a gradient. In its place stays a parameter without a value.
pub(super) struct Take<'a> {
    owners: &'a Owners,
    grads: &'a mut GradientsParams,
    path: Vec<String>,
    stages: Vec<Vec<Box<dyn Update>>>,
}

impl<'a> Take<'a> {
    pub(super) fn new(
        owners: &'a Owners,
        num_stages: usize,
        grads: &'a mut GradientsParams,
    ) -> Self {
        Self {
            owners,
            grads,
            path: Vec::new(),
            stages: (0..num_stages).map(|_| Vec::new()).collect(),
        }
    }

    /// What was taken, for each stage.
    pub(super) fn into_stages(self) -> Vec<Vec<Box<dyn Update>>> {
        self.stages
    }
}

impl ModuleMapper for Take<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.grads.remove::<D>(param.id) else {
            return param;
        };
        // Nothing is allocated for it unless somebody looks.
        let hollow = Param::uninitialized(
            param.id,
            |device, _require_grad| Tensor::empty([1; D], device),
            param.lazy_device(),
            false,
            [1; D].into(),
        );
        self.stages[self.owners.stage_of(param.id)].push(Box::new(Taken {
            path: self.path.join("."),
            param,
            gradient,
        }));
        hollow
    }
}

/// Puts updated parameters where they were taken.
#[derive(Default)]
pub(super) struct PutBack(HashMap<ParamId, Box<dyn Any + Send>>);

impl PutBack {
    pub(super) fn insert(&mut self, id: ParamId, param: Box<dyn Any + Send>) {
        self.0.insert(id, param);
    }
}

impl ModuleMapper for PutBack {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.remove(&param.id) {
            Some(updated) => *updated
                .downcast::<Param<Tensor<D>>>()
                .expect("a parameter keeps its rank"),
            None => param,
        }
    }
}
