//! Losses, gradients and parameters, in a form that can be compared to the last bit.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

/// The numbers of one training step.
#[derive(Debug, Clone)]
pub struct Step {
    /// The loss of the mini-batch.
    pub loss: Vec<f32>,
    /// The gradient of each parameter, by its path; nothing where none reached it.
    pub gradients: BTreeMap<String, Option<Vec<f32>>>,
}

impl Step {
    /// Read `loss` and the gradients of `model`'s parameters.
    pub fn new<M: Module>(loss: Tensor<1>, gradients: &GradientsParams, model: &M) -> Self {
        let mut reader = Reader {
            path: Vec::new(),
            gradients: Some(gradients),
            found: BTreeMap::new(),
        };
        model.visit(&mut reader);
        Self {
            loss: values(loss.into_data()),
            gradients: reader.found,
        }
    }

    /// Fail unless every number has the bits of `other`'s.
    pub fn assert_same(&self, other: &Self) {
        assert_same("loss", &self.loss, &other.loss);
        self.for_each_gradient(other, assert_same);
    }

    /// Fail unless every number is within `tolerance` of `other`'s, relative to the largest number
    /// of its tensor.
    pub fn assert_close(&self, other: &Self, tolerance: f32) {
        assert_close("loss", &self.loss, &other.loss, tolerance);
        self.for_each_gradient(other, |path, one, other| {
            assert_close(path, one, other, tolerance);
        });
    }

    fn for_each_gradient(&self, other: &Self, compare: impl Fn(&str, &[f32], &[f32])) {
        let paths: Vec<_> = self.gradients.keys().collect();
        assert_eq!(paths, other.gradients.keys().collect::<Vec<_>>());
        for (path, gradient) in &self.gradients {
            match (gradient, &other.gradients[path]) {
                (Some(one), Some(other)) => compare(path, one, other),
                (None, None) => {}
                (Some(_), None) => panic!("the other step has no gradient of {path}"),
                (None, Some(_)) => panic!("only the other step has a gradient of {path}"),
            }
        }
    }
}

/// Fail unless every value has the bits of `other`'s.
pub fn assert_same(what: &str, one: &[f32], other: &[f32]) {
    assert_eq!(one.len(), other.len(), "{what}");
    for (one, other) in one.iter().zip(other) {
        let same = one.to_bits() == other.to_bits();
        assert!(same, "{what}: {one:e} is not {other:e} to the last bit");
    }
}

/// Fail unless every value is within `tolerance` of `other`'s, relative to the largest of them.
pub fn assert_close(what: &str, one: &[f32], other: &[f32], tolerance: f32) {
    assert_eq!(one.len(), other.len(), "{what}");
    let scale = other.iter().fold(0.0f32, |max, value| max.max(value.abs()));
    for (one, other) in one.iter().zip(other) {
        let difference = (one - other).abs();
        assert!(
            difference <= tolerance * scale.max(1e-3),
            "{what}: {one} is not {other} ({difference:e} apart, scale {scale:e})"
        );
    }
}

/// The values of every float parameter and running state of `model`, by its path.
pub type Parameters = BTreeMap<String, Vec<f32>>;

/// Read the [`Parameters`] of `model`.
pub fn parameters<M: Module>(model: &M) -> Parameters {
    let mut reader = Reader {
        path: Vec::new(),
        gradients: None,
        found: BTreeMap::new(),
    };
    model.visit(&mut reader);
    reader
        .found
        .into_iter()
        .map(|(path, values)| (path, values.expect("a parameter has a value")))
        .collect()
}

/// Fail unless every parameter has the bits of `other`'s.
pub fn assert_same_parameters(one: &Parameters, other: &Parameters) {
    let paths: Vec<_> = one.keys().collect();
    assert_eq!(paths, other.keys().collect::<Vec<_>>());
    for (path, values) in one {
        assert_same(path, values, &other[path]);
    }
}

/// Fail unless every parameter is within `tolerance` of `other`'s, relative to the largest number
/// of its tensor.
pub fn assert_close_parameters(one: &Parameters, other: &Parameters, tolerance: f32) {
    let paths: Vec<_> = one.keys().collect();
    assert_eq!(paths, other.keys().collect::<Vec<_>>());
    for (path, values) in one {
        assert_close(path, values, &other[path], tolerance);
    }
}

/// The id of every float parameter of `model`, by its path. Running states are left out: Burn loads
/// their values and not their ids.
pub fn ids<M: Module>(model: &M) -> BTreeMap<String, ParamId> {
    let mut ids = Ids::default();
    model.visit(&mut ids);
    ids.found.retain(|path, _| !path.contains("running_"));
    ids.found
}

/// The numbers of a tensor, in order.
pub fn values(data: TensorData) -> Vec<f32> {
    data.convert::<f32>()
        .try_into_vec::<f32>()
        .expect("a float tensor holds floats")
}

struct Reader<'a> {
    path: Vec<String>,
    gradients: Option<&'a GradientsParams>,
    found: BTreeMap<String, Option<Vec<f32>>>,
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.gradients {
            Some(gradients) => gradients.get::<D>(param.id),
            None => Some(param.base()),
        };
        let values = tensor.map(|tensor| values(tensor.into_data()));
        self.found.insert(self.path.join("."), values);
    }
}

#[derive(Default)]
struct Ids {
    path: Vec<String>,
    found: BTreeMap<String, ParamId>,
}

impl ModuleVisitor for Ids {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.join("."), param.id);
    }
}
