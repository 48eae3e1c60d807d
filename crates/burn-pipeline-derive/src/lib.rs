//! The derives of `burn-pipeline`: [`macro@Sequential`] for models, [`macro@Signal`] for what flows
//! through them.
//!
//! `burn-pipeline` re-exports both beside the traits of the same names: depend on that crate, not
//! on this one. The generated code speaks of `::burn_pipeline` and `::burn`, so both must be
//! dependencies under these names.

mod fields;
mod neighbours;
mod sequential;
mod signal;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// Makes a struct the sequence of its fields, in the order in which they are written.
///
/// Each field is a layer or a sequence of layers itself: a `Layer`, a `Vec`, an array, a tuple, or
/// another struct with this derive. The struct must be a Burn `Module`. Burn derives that for named
/// fields; a tuple struct needs an implementation by hand.
///
/// ```ignore
/// use burn::module::Module;
/// use burn_pipeline::Sequential;
///
/// #[derive(Module, Sequential, Debug)]
/// pub struct Gpt {
///     embed: Embed,
///     blocks: Vec<Block>,
///     #[sequential(skip)]
///     num_classes: usize,
///     head: Head,
/// }
/// ```
///
/// # Attributes
///
/// `#[sequential(skip)]` leaves a field out of the sequence: it is not counted, run or visited, and
/// it is moved over as it is when the layers are mapped. A field that Burn skips, by
/// `#[module(skip)]`, is left out as well. Fields that Burn recognises as constants (`usize`,
/// `f64`, `String`, …) have to be marked, since nothing says that a constant is no layer.
///
/// # What is generated
///
/// The layers of a nested sequence count one by one, so `Gpt` has `1 + blocks.len() + 1` of them.
/// In outline:
///
/// ```ignore
/// impl Sequential for Gpt {
///     type Input = <Embed as Sequential>::Input;
///     type Output = <Head as Sequential>::Output;
///
///     fn num_layers(&self) -> usize {
///         self.embed.num_layers() + self.blocks.num_layers() + self.head.num_layers()
///     }
///
///     fn forward_layer(&self, index: usize, input: AnySignal) -> AnySignal {
///         let num_layers = self.embed.num_layers();
///         if index < num_layers {
///             return self.embed.forward_layer(index, input);
///         }
///         let index = index - num_layers;
///         // The same for `blocks` and for `head`, then a panic: there is no such layer.
///     }
///
///     fn visit_layers<V: LayerVisitor>(&self, visitor: &mut V) {
///         visitor.enter("embed");
///         self.embed.visit_layers(visitor);
///         visitor.exit();
///         // The same for `blocks` and for `head`.
///     }
///
///     fn map_layers<M: LayerMapper>(self, mapper: &mut M) -> Self {
///         Self {
///             embed: self.embed.map_layers(mapper),
///             blocks: self.blocks.map_layers(mapper),
///             num_classes: self.num_classes,
///             head: self.head.map_layers(mapper),
///         }
///     }
/// }
/// ```
///
/// A field is entered under the name that Burn gives it in the path of a parameter: its own, or its
/// index in a tuple struct. A field may be more private than the struct.
///
/// # Generics
///
/// A field whose type names a type parameter must be a `Sequential`, and fit its neighbours: both
/// become bounds of the implementation. `struct Chain<A, B> { first: A, second: B }` is a
/// `Sequential` when `A` and `B` are, when `B` takes what `A` sends, and when `Chain<A, B>` is a
/// `Module`, which Burn's derive says for `A: ModuleDisplay` and `B: ModuleDisplay`. Constant
/// parameters and the bounds of the struct are kept as they are.
///
/// # Errors
///
/// - Neighbours that do not fit: the error is at the type of the second field, and names both
///   fields, what the first sends and what the second takes. Where a type parameter decides, the
///   struct is no `Sequential` for these parameters, and the error is where it is used as one.
/// - A field that is neither a layer nor a sequence of layers: the error is at its type. Implement
///   `Layer` for it, or skip the field.
/// - An enum or a union: its fields have no order. Implement `Layer` to make it one layer.
/// - A struct without a field that is a layer: a sequence has at least one.
/// - An attribute that says something other than `skip`, or is not on a field.
#[proc_macro_derive(Sequential, attributes(sequential))]
pub fn derive_sequential(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    sequential::expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// Makes a struct or an enum of signals a signal: what one layer may send to the next.
///
/// Each field is a signal: a tensor, `()`, an `Option`, a `Vec`, an array or a tuple of signals, or
/// a type with this derive. The type must be `Clone + Send + 'static`. Structs may have named
/// fields, unnamed ones or none, and so may the variants of an enum.
///
/// ```ignore
/// use burn::tensor::{Bool, Tensor};
/// use burn_pipeline::Signal;
///
/// #[derive(Clone, Signal)]
/// struct Encoded {
///     hidden: Tensor<3>,
///     mask: Option<Tensor<2, Bool>>,
///     #[signal(skip)]
///     language: String,
/// }
/// ```
///
/// # Attributes
///
/// `#[signal(skip)]` leaves a field out: its tensors are not seen, and it travels along as it is.
/// It must be `Clone + Send + 'static`. A tensor in it is neither split into micro-batches, nor
/// moved to the next device, nor given a gradient: skip only what is the same for every sample.
///
/// # What is generated
///
/// `visit` and `map` reach the fields in the order in which they are written, those of an enum in
/// the variant that it holds. In outline:
///
/// ```ignore
/// impl Signal for Encoded {
///     fn visit<V: SignalVisitor>(&self, visitor: &mut V) {
///         self.hidden.visit(visitor);
///         self.mask.visit(visitor);
///     }
///
///     fn map<M: SignalMapper>(self, mapper: &mut M) -> Self {
///         Self {
///             hidden: self.hidden.map(mapper),
///             mask: self.mask.map(mapper),
///             language: self.language,
///         }
///     }
/// }
/// ```
///
/// # Generics
///
/// A type parameter that occurs in a field that is not skipped must be a `Signal`; any other one
/// `Clone + Send + 'static`. Constant parameters and the bounds of the type are kept as they are.
///
/// # Errors
///
/// - A field that is not a signal: the error is at its type. Derive `Signal` for it, or skip the
///   field.
/// - A union: it does not know which field it holds. Make it an enum.
/// - An attribute that says something other than `skip`, or is not on a field.
#[proc_macro_derive(Signal, attributes(signal))]
pub fn derive_signal(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    signal::expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
