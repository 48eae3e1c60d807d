//! Visitors and mappers of modules whose types are forgotten.
//!
//! Burn's have a method for every rank, so no object can stand for them. Here the parameter is
//! forgotten as well, and its rank is found again on the other side.

use std::any::Any;

use burn::module::{Flag, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};

/// A [`ModuleVisitor`] as an object.
pub(crate) trait AnyVisitor {
    fn enter(&mut self, name: &str, container_type: &str);
    fn exit(&mut self, name: &str, container_type: &str);
    fn param(&mut self, param: &dyn Any);
}

/// A [`ModuleMapper`] as an object.
pub(crate) trait AnyMapper {
    fn enter(&mut self, name: &str, container_type: &str);
    fn exit(&mut self, name: &str, container_type: &str);
    fn param(&mut self, param: Box<dyn Any>) -> Box<dyn Any>;
}

/// Shows forgotten parameters to a visitor or mapper of Burn's.
pub(crate) struct Remember<'a, V>(pub(crate) &'a mut V);

/// Shows the parameters of a module to a forgotten visitor or mapper.
pub(crate) struct Forget<'a, V: ?Sized>(pub(crate) &'a mut V);

macro_rules! each_rank {
    ($with:ident) => {
        $with!(1);
        $with!(2);
        $with!(3);
        $with!(4);
        $with!(5);
        $with!(6);
        $with!(7);
        $with!(8);
    };
}

impl<V: ModuleVisitor> AnyVisitor for Remember<'_, V> {
    fn enter(&mut self, name: &str, container_type: &str) {
        self.0.enter_module(name, container_type);
    }

    fn exit(&mut self, name: &str, container_type: &str) {
        self.0.exit_module(name, container_type);
    }

    fn param(&mut self, param: &dyn Any) {
        macro_rules! try_rank {
            ($rank:literal) => {
                if let Some(param) = param.downcast_ref::<Param<Tensor<$rank>>>() {
                    return self.0.visit_float(param);
                }
                if let Some(param) = param.downcast_ref::<Param<Tensor<$rank, Int>>>() {
                    return self.0.visit_int(param);
                }
                if let Some(param) = param.downcast_ref::<Param<Tensor<$rank, Bool>>>() {
                    return self.0.visit_bool(param);
                }
            };
        }
        each_rank!(try_rank);
        if let Some(flag) = param.downcast_ref::<Param<Flag>>() {
            return self.0.visit_flag(flag);
        }
        panic!("a sharded layer has a parameter of more than 8 dimensions");
    }
}

impl<M: ModuleMapper> AnyMapper for Remember<'_, M> {
    fn enter(&mut self, name: &str, container_type: &str) {
        self.0.enter_module(name, container_type);
    }

    fn exit(&mut self, name: &str, container_type: &str) {
        self.0.exit_module(name, container_type);
    }

    fn param(&mut self, mut param: Box<dyn Any>) -> Box<dyn Any> {
        macro_rules! try_rank {
            ($rank:literal) => {
                param = match param.downcast::<Param<Tensor<$rank>>>() {
                    Ok(param) => return Box::new(self.0.map_float(*param)),
                    Err(param) => param,
                };
                param = match param.downcast::<Param<Tensor<$rank, Int>>>() {
                    Ok(param) => return Box::new(self.0.map_int(*param)),
                    Err(param) => param,
                };
                param = match param.downcast::<Param<Tensor<$rank, Bool>>>() {
                    Ok(param) => return Box::new(self.0.map_bool(*param)),
                    Err(param) => param,
                };
            };
        }
        each_rank!(try_rank);
        match param.downcast::<Param<Flag>>() {
            Ok(flag) => Box::new(self.0.map_flag(*flag)),
            Err(_) => panic!("a sharded layer has a parameter of more than 8 dimensions"),
        }
    }
}

impl<V: AnyVisitor + ?Sized> ModuleVisitor for Forget<'_, V> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.0.enter(name, container_type);
    }

    fn exit_module(&mut self, name: &str, container_type: &str) {
        self.0.exit(name, container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.param(param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.0.param(param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.0.param(param);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.param(flag);
    }
}

impl<M: AnyMapper + ?Sized> Forget<'_, M> {
    fn mapped<P: 'static>(&mut self, param: P) -> P {
        let mapped = self.0.param(Box::new(param)).downcast();
        *mapped.expect("a parameter is mapped to one of its type")
    }
}

impl<M: AnyMapper + ?Sized> ModuleMapper for Forget<'_, M> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.0.enter(name, container_type);
    }

    fn exit_module(&mut self, name: &str, container_type: &str) {
        self.0.exit(name, container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.mapped(param)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        self.mapped(param)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        self.mapped(param)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.mapped(flag)
    }
}
