//! Finding, setting and reading the running statistics of batch norms.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Tensor};

use super::OwnLayers;
use crate::layer::{LayerMapper, LayerVisitor, Sequential};

/// The running statistics of one batch norm that trains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Norm {
    pub(super) mean: ParamId,
    pub(super) variance: ParamId,
}

/// The value of each running statistic.
pub(super) type Values = HashMap<ParamId, Tensor<1>>;

/// The batch norms of these layers whose training flag is set, or those whose is not.
pub(super) fn find<M: Sequential>(model: &M, layers: &Range<usize>, active: bool) -> Vec<Norm> {
    let mut finder = Finder {
        wanted: active,
        ..Finder::default()
    };
    model.visit_layers(&mut OwnLayers::new(layers, &mut finder));
    finder.norms
}

/// Give all their statistics the value of their type, in `copy` and all that share them with it.
pub(super) fn set<M: Sequential>(
    copy: M,
    layers: &Range<usize>,
    norms: &[Norm],
    value: fn(DType) -> f64,
) -> M {
    copy.map_layers(&mut OwnLayers::new(layers, Set { norms, value }))
}

/// Their statistics, the latest update included.
pub(super) fn read<M: Sequential>(copy: &M, layers: &Range<usize>, norms: &[Norm]) -> Values {
    let mut read = Read {
        layers,
        next: 0,
        norms,
        found: HashMap::new(),
    };
    copy.visit_layers(&mut read);
    read.found
}

/// Knows a batch norm by the names that Burn gives it and its fields.
#[derive(Default)]
struct Finder {
    fields: Vec<(String, bool)>,
    wanted: bool,
    active: bool,
    mean: Option<ParamId>,
    norms: Vec<Norm>,
}

impl ModuleVisitor for Finder {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        let in_norm = container_type == "Struct:BatchNorm";
        self.fields.push((name.to_string(), in_norm));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.fields.pop();
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        if let Some((_, true)) = self.fields.last() {
            self.active = flag.is_enabled();
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some((name, true)) = self.fields.last() else {
            return;
        };
        match (name.as_str(), self.active == self.wanted, self.mean) {
            ("running_mean", true, _) => self.mean = Some(param.id),
            ("running_var", true, Some(mean)) => {
                let norm = Norm {
                    mean,
                    variance: param.id,
                };
                if !self.norms.contains(&norm) {
                    self.norms.push(norm);
                }
            }
            _ => {}
        }
    }
}

struct Set<'a> {
    norms: &'a [Norm],
    value: fn(DType) -> f64,
}

impl LayerMapper for Set<'_> {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        layer.map(self)
    }
}

impl ModuleMapper for Set<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match is_of(self.norms, param.id) {
            true => param.map(|tensor| tensor.full_like((self.value)(tensor.dtype()))),
            false => param,
        }
    }
}

/// The latest update of a running state waits for the next one: `valid` settles it.
struct Read<'a> {
    layers: &'a Range<usize>,
    next: usize,
    norms: &'a [Norm],
    found: Values,
}

impl LayerVisitor for Read<'_> {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        let mut present = Present {
            norms: self.norms,
            any: false,
        };
        if self.layers.contains(&self.next) {
            layer.visit(&mut present);
        }
        if present.any {
            layer.valid().visit(self);
        }
        self.next += 1;
    }
}

impl ModuleVisitor for Read<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if is_of(self.norms, param.id) {
            let value: Box<dyn Any> = Box::new(param.base());
            if let Ok(value) = value.downcast::<Tensor<1>>() {
                self.found.insert(param.id, *value);
            }
        }
    }
}

struct Present<'a> {
    norms: &'a [Norm],
    any: bool,
}

impl ModuleVisitor for Present<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.any |= is_of(self.norms, param.id);
    }
}

fn is_of(norms: &[Norm], param: ParamId) -> bool {
    norms
        .iter()
        .any(|norm| norm.mean == param || norm.variance == param)
}
