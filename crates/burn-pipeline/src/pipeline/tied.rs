//! Tied weights: a parameter that several layers hold is one parameter to whoever visits or maps
//! the pipeline.

use std::any::Any;
use std::collections::{HashMap, HashSet};

use crate::transfer::move_to;
use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::kind::Autodiff;
use burn::tensor::{Bool, Int, Tensor};

/// The parameters that a model holds more than once, by their ids: a clone of a parameter keeps
/// the id. Nothing is initialised by looking for them.
pub(crate) fn tied<M: Module>(model: &M) -> HashSet<ParamId> {
    let mut uses = Uses::default();
    model.visit(&mut uses);
    uses.repeated
}

/// Show `visitor` each parameter once, where the model holds it first.
pub(crate) fn visit_once<M: Module, V: ModuleVisitor>(model: &M, visitor: &mut V) {
    let tied = tied(model);
    match tied.is_empty() {
        true => model.visit(visitor),
        false => model.visit(&mut Once {
            inner: visitor,
            tied,
            seen: HashSet::new(),
        }),
    }
}

/// Map each parameter once, where `model` holds it first, and give its other holders the result:
/// id, value and whether it trains, each on the device where it was.
pub(crate) fn map_once<M: Module, Mapper: ModuleMapper>(model: M, mapper: &mut Mapper) -> M {
    let tied = tied(&model);
    match tied.is_empty() {
        true => model.map(mapper),
        false => model.map(&mut Refresh {
            inner: mapper,
            tied,
            mapped: HashMap::new(),
        }),
    }
}

/// Give all holders of a parameter the value of the first.
pub(crate) fn refresh<M: Module>(model: M) -> M {
    struct Unchanged;
    impl ModuleMapper for Unchanged {}
    map_once(model, &mut Unchanged)
}

#[derive(Default)]
struct Uses {
    seen: HashSet<ParamId>,
    repeated: HashSet<ParamId>,
}

impl Uses {
    fn one_more(&mut self, param: ParamId) {
        if !self.seen.insert(param) {
            self.repeated.insert(param);
        }
    }
}

impl ModuleVisitor for Uses {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.one_more(param.id);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.one_more(param.id);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.one_more(param.id);
    }
}

struct Once<'a, V> {
    inner: &'a mut V,
    tied: HashSet<ParamId>,
    seen: HashSet<ParamId>,
}

impl<V> Once<'_, V> {
    fn is_first(&mut self, param: ParamId) -> bool {
        !self.tied.contains(&param) || self.seen.insert(param)
    }
}

impl<V: ModuleVisitor> ModuleVisitor for Once<'_, V> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.is_first(param.id) {
            self.inner.visit_float(param);
        }
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        if self.is_first(param.id) {
            self.inner.visit_int(param);
        }
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        if self.is_first(param.id) {
            self.inner.visit_bool(param);
        }
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.inner.visit_flag(flag);
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.inner.enter_module(name, container_type);
    }

    fn exit_module(&mut self, name: &str, container_type: &str) {
        self.inner.exit_module(name, container_type);
    }
}

struct Refresh<'a, Mapper> {
    inner: &'a mut Mapper,
    tied: HashSet<ParamId>,
    /// What became of the tied parameters that were mapped, by the ids that they had.
    mapped: HashMap<ParamId, Box<dyn Any>>,
}

impl<Mapper> Refresh<'_, Mapper> {
    fn first<T: 'static>(&self, param: ParamId) -> Option<&T> {
        self.mapped.get(&param)?.downcast_ref()
    }

    fn keep<T: 'static>(&mut self, param: ParamId, mapped: T) {
        if self.tied.contains(&param) {
            self.mapped.insert(param, Box::new(mapped));
        }
    }
}

/// The value on the device of `holder` and in its autodiff context, without a history.
fn placed<const D: usize, K: Autodiff>(value: Tensor<D, K>, holder: &Tensor<D, K>) -> Tensor<D, K> {
    let value = value.without_autodiff();
    let value = move_to(value, &holder.device().without_autodiff());
    match holder.gradient_checkpointing_strategy() {
        Some(strategy) => value
            .autodiff()
            .with_gradient_checkpointing_strategy(strategy),
        None => value,
    }
}

impl<Mapper: ModuleMapper> ModuleMapper for Refresh<'_, Mapper> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let before = param.id;
        let Some(first) = self.first::<Param<Tensor<D>>>(before) else {
            let mapped = self.inner.map_float(param);
            self.keep(before, mapped.clone());
            return mapped;
        };
        // Adapters that the mapper has put on come along, and are tied from then on.
        first
            .clone()
            .fork(&param.base().device().without_autodiff())
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let before = param.id;
        let Some(first) = self.first::<Param<Tensor<D, Int>>>(before) else {
            let mapped = self.inner.map_int(param);
            self.keep(before, mapped.clone());
            return mapped;
        };
        let (_, holder, mapper) = param.consume();
        Param::from_mapped_value(first.id, placed(first.base(), &holder), mapper)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let before = param.id;
        let Some(first) = self.first::<Param<Tensor<D, Bool>>>(before) else {
            let mapped = self.inner.map_bool(param);
            self.keep(before, mapped.clone());
            return mapped;
        };
        let (_, holder, mapper) = param.consume();
        Param::from_mapped_value(first.id, placed(first.base(), &holder), mapper)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.inner.map_flag(flag)
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.inner.enter_module(name, container_type);
    }

    fn exit_module(&mut self, name: &str, container_type: &str) {
        self.inner.exit_module(name, container_type);
    }
}
