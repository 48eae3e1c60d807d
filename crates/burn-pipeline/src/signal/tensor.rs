use burn::tensor::{Bool, Int, Tensor};

use super::{Signal, SignalMapper, SignalVisitor};

macro_rules! signal_of_kind {
    ($kind:ty, $visit:ident, $map:ident) => {
        impl<const D: usize> Signal for Tensor<D, $kind> {
            fn visit<V: SignalVisitor>(&self, visitor: &mut V) {
                visitor.$visit(self);
            }

            fn map<M: SignalMapper>(self, mapper: &mut M) -> Self {
                mapper.$map(self)
            }
        }
    };
}

signal_of_kind!(burn::tensor::Float, visit_float, map_float);
signal_of_kind!(Int, visit_int, map_int);
signal_of_kind!(Bool, visit_bool, map_bool);
