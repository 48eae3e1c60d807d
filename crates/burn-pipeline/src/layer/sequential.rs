use burn::module::Module;

use super::Layer;
use crate::random::enter_layer_of_step;
use crate::signal::{AnySignal, Signal};

/// A sequence of layers: what a pipeline can be cut from.
///
/// Every [`Layer`] is a sequence of one. `Vec<S>`, arrays and tuples of sequences are sequences;
/// [`#[derive(Sequential)]`](derive@crate::Sequential) makes one of a struct, with its fields in
/// order. Nested sequences are flattened: a struct of an embedding, a `Vec` of `n` blocks and a
/// head has `1 + n + 1` layers. Tuples go up to ten, as far as Burn implements
/// [`Module`] for them, and nest beyond.
///
/// Neighbours may differ in type and in signal; what one sends must be what the next takes, or
/// the model does not compile.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a layer nor a sequence of layers",
    note = "a tuple, an array or a `Vec` is a sequence when each of its layers takes what the one before it sends",
    note = "a field that is no layer is left out by `#[sequential(skip)]`"
)]
pub trait Sequential: Module {
    /// What the first layer takes.
    type Input: Signal;
    /// What the last layer sends.
    type Output: Signal;

    /// The number of layers, nested sequences flattened.
    fn num_layers(&self) -> usize;

    /// Run one layer, the `index`th, on a signal of its input type.
    ///
    /// # Panics
    ///
    /// When there is no such layer, or `input` is not of its input type.
    fn forward_layer(&self, index: usize, input: AnySignal) -> AnySignal;

    /// Show every layer to `visitor`, in order.
    fn visit_layers<V: LayerVisitor>(&self, visitor: &mut V);

    /// Replace every layer by what `mapper` makes of it, in order.
    fn map_layers<M: LayerMapper>(self, mapper: &mut M) -> Self;

    /// Run all layers, one after the other: the model as it is without a pipeline. Within
    /// [`with_random_step`](crate::with_random_step) each layer draws what it draws in one.
    fn forward_layers(&self, input: Self::Input) -> Self::Output {
        (0..self.num_layers())
            .fold(AnySignal::new(input), |signal, index| {
                let _entered = enter_layer_of_step(index);
                self.forward_layer(index, signal)
            })
            .into_signal()
    }
}

/// Sees the layers of a [`Sequential`], with the names of the fields that lead to them.
pub trait LayerVisitor {
    /// Enter a field, or an element of a collection.
    fn enter(&mut self, _name: &str) {}
    /// Visit one layer.
    fn visit_layer<L: Layer>(&mut self, layer: &L);
    /// Leave what was entered last.
    fn exit(&mut self) {}
}

/// Replaces the layers of a [`Sequential`], one after the other.
pub trait LayerMapper {
    /// Map one layer.
    fn map_layer<L: Layer>(&mut self, layer: L) -> L;
}

impl<L: Layer> Sequential for L {
    type Input = L::Input;
    type Output = L::Output;

    fn num_layers(&self) -> usize {
        1
    }

    fn forward_layer(&self, index: usize, input: AnySignal) -> AnySignal {
        assert_eq!(index, 0, "a layer is a sequence of one");
        AnySignal::new(self.forward(input.into_signal()))
    }

    fn visit_layers<V: LayerVisitor>(&self, visitor: &mut V) {
        visitor.visit_layer(self);
    }

    fn map_layers<M: LayerMapper>(self, mapper: &mut M) -> Self {
        mapper.map_layer(self)
    }
}

fn forward_in<S: Sequential>(parts: &[S], mut index: usize, input: AnySignal) -> AnySignal {
    for part in parts {
        let num_layers = part.num_layers();
        if index < num_layers {
            return part.forward_layer(index, input);
        }
        index -= num_layers;
    }
    panic!("the sequence ends {} layers before", index + 1)
}

fn visit_in<S: Sequential, V: LayerVisitor>(parts: &[S], visitor: &mut V) {
    for (index, part) in parts.iter().enumerate() {
        visitor.enter(&index.to_string());
        part.visit_layers(visitor);
        visitor.exit();
    }
}

impl<I: Signal, S: Sequential<Input = I, Output = I>> Sequential for Vec<S> {
    type Input = I;
    type Output = I;

    fn num_layers(&self) -> usize {
        self.iter().map(Sequential::num_layers).sum()
    }

    fn forward_layer(&self, index: usize, input: AnySignal) -> AnySignal {
        forward_in(self, index, input)
    }

    fn visit_layers<V: LayerVisitor>(&self, visitor: &mut V) {
        visit_in(self, visitor);
    }

    fn map_layers<M: LayerMapper>(self, mapper: &mut M) -> Self {
        self.into_iter()
            .map(|part| part.map_layers(mapper))
            .collect()
    }
}

impl<I: Signal, S: Sequential<Input = I, Output = I>, const N: usize> Sequential for [S; N] {
    type Input = I;
    type Output = I;

    fn num_layers(&self) -> usize {
        self.iter().map(Sequential::num_layers).sum()
    }

    fn forward_layer(&self, index: usize, input: AnySignal) -> AnySignal {
        forward_in(self, index, input)
    }

    fn visit_layers<V: LayerVisitor>(&self, visitor: &mut V) {
        visit_in(self, visitor);
    }

    fn map_layers<M: LayerMapper>(self, mapper: &mut M) -> Self {
        self.map(|part| part.map_layers(mapper))
    }
}

macro_rules! sequential_tuple {
    ($first:ident 0, $($part:ident $index:tt after $before:ident),+; $last:ident) => {
        impl<$first: Sequential, $($part: Sequential<Input = $before::Output>),+> Sequential
            for ($first, $($part,)+)
        where
            Self: Module,
        {
            type Input = $first::Input;
            type Output = $last::Output;

            fn num_layers(&self) -> usize {
                self.0.num_layers() $(+ self.$index.num_layers())+
            }

            fn forward_layer(&self, index: usize, input: AnySignal) -> AnySignal {
                let num_layers = self.0.num_layers();
                if index < num_layers {
                    return self.0.forward_layer(index, input);
                }
                let index = index - num_layers;
                $(
                    let num_layers = self.$index.num_layers();
                    if index < num_layers {
                        return self.$index.forward_layer(index, input);
                    }
                    let index = index - num_layers;
                )+
                panic!("the sequence ends {} layers before", index + 1)
            }

            fn visit_layers<V: LayerVisitor>(&self, visitor: &mut V) {
                visitor.enter("0");
                self.0.visit_layers(visitor);
                visitor.exit();
                $(
                    visitor.enter(stringify!($index));
                    self.$index.visit_layers(visitor);
                    visitor.exit();
                )+
            }

            fn map_layers<Mapper: LayerMapper>(self, mapper: &mut Mapper) -> Self {
                (self.0.map_layers(mapper), $(self.$index.map_layers(mapper),)+)
            }
        }
    };
}

sequential_tuple!(A 0, B 1 after A; B);
sequential_tuple!(A 0, B 1 after A, C 2 after B; C);
sequential_tuple!(A 0, B 1 after A, C 2 after B, D 3 after C; D);
sequential_tuple!(A 0, B 1 after A, C 2 after B, D 3 after C, E 4 after D; E);
sequential_tuple!(A 0, B 1 after A, C 2 after B, D 3 after C, E 4 after D, F 5 after E; F);
sequential_tuple!(A 0, B 1 after A, C 2 after B, D 3 after C, E 4 after D, F 5 after E, G 6 after F; G);
sequential_tuple!(A 0, B 1 after A, C 2 after B, D 3 after C, E 4 after D, F 5 after E, G 6 after F, H 7 after G; H);
sequential_tuple!(A 0, B 1 after A, C 2 after B, D 3 after C, E 4 after D, F 5 after E, G 6 after F, H 7 after G, I 8 after H; I);
sequential_tuple!(A 0, B 1 after A, C 2 after B, D 3 after C, E 4 after D, F 5 after E, G 6 after F, H 7 after G, I 8 after H, J 9 after I; J);
