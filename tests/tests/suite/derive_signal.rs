//! What `#[derive(Signal)]` makes of structs and enums.

use burn::tensor::{Bool, Device, Int, Tensor};
use burn_pipeline::{Signal, SignalMapper, SignalVisitor};

/// Every tensor it meets, as `kind shape`.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    fn note(&mut self, kind: &str, dims: &[usize]) {
        self.0.push(format!("{kind} {dims:?}"));
    }
}

impl SignalVisitor for Seen {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        self.note("float", &tensor.dims());
    }

    fn visit_int<const D: usize>(&mut self, tensor: &Tensor<D, Int>) {
        self.note("int", &tensor.dims());
    }

    fn visit_bool<const D: usize>(&mut self, tensor: &Tensor<D, Bool>) {
        self.note("bool", &tensor.dims());
    }
}

/// Changes every tensor: floats and ints by the number of tensors before, bools to their opposite.
impl SignalMapper for Seen {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        self.visit_float(&tensor);
        tensor + (self.0.len() as f32)
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        self.visit_int(&tensor);
        tensor + (self.0.len() as i32)
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        self.visit_bool(&tensor);
        tensor.bool_not()
    }
}

fn seen(signal: &impl Signal) -> Vec<String> {
    let mut seen = Seen::default();
    signal.visit(&mut seen);
    seen.0
}

fn mapped<S: Signal>(signal: S) -> (S, Vec<String>) {
    let mut seen = Seen::default();
    (signal.map(&mut seen), seen.0)
}

fn floats<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::zeros(shape, &Device::default())
}

fn ints<const D: usize>(shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::zeros(shape, &Device::default())
}

fn bools<const D: usize>(shape: [usize; D]) -> Tensor<D, Bool> {
    ints(shape).equal_elem(1)
}

fn only_float<const D: usize>(tensor: Tensor<D>) -> f32 {
    tensor.mean().into_scalar()
}

#[derive(Clone, Signal)]
struct Encoded {
    hidden: Tensor<3>,
    tokens: Vec<Tensor<2, Int>>,
    #[signal(skip)]
    language: String,
    mask: Option<Tensor<2, Bool>>,
}

fn encoded() -> Encoded {
    Encoded {
        hidden: floats([2, 3, 4]),
        tokens: vec![ints([2, 3]), ints([2, 5])],
        language: "sv".to_string(),
        mask: Some(bools([2, 3])),
    }
}

const ENCODED: [&str; 4] = ["float [2, 3, 4]", "int [2, 3]", "int [2, 5]", "bool [2, 3]"];

#[test]
fn visit_and_map_of_a_struct_reach_the_same_tensors_in_the_order_of_the_fields() {
    assert_eq!(seen(&encoded()), ENCODED);
    let (signal, order) = mapped(encoded());
    assert_eq!(order, ENCODED);
    assert_eq!(seen(&signal), ENCODED);
}

#[test]
fn every_tensor_of_a_struct_is_replaced_and_a_skipped_field_moved_over() {
    let (signal, _) = mapped(encoded());
    assert_eq!(only_float(signal.hidden), 1.0);
    assert_eq!(only_float(signal.tokens[0].clone().float()), 2.0);
    assert_eq!(only_float(signal.tokens[1].clone().float()), 3.0);
    assert_eq!(only_float(signal.mask.unwrap().float()), 1.0);
    assert_eq!(signal.language, "sv");
}

#[derive(Clone, Signal)]
struct Residual(Tensor<2>, #[signal(skip)] usize, Tensor<3>);

#[test]
fn the_fields_of_a_tuple_struct_are_reached_in_order() {
    let residual = Residual(floats([1, 2]), 7, floats([1, 2, 3]));
    assert_eq!(seen(&residual), ["float [1, 2]", "float [1, 2, 3]"]);
    let (Residual(first, kept, last), order) = mapped(residual);
    assert_eq!(order, ["float [1, 2]", "float [1, 2, 3]"]);
    assert_eq!((only_float(first), kept, only_float(last)), (1.0, 7, 2.0));
}

#[derive(Clone, Debug, PartialEq, Signal)]
struct Nothing;

#[test]
fn a_unit_struct_is_a_signal_without_tensors() {
    assert!(seen(&Nothing).is_empty());
    assert_eq!(mapped(Nothing), (Nothing, vec![]));
}

#[derive(Clone, Signal)]
enum Message {
    Done,
    Tokens(Tensor<2, Int>, #[signal(skip)] usize),
    Encoded {
        #[signal(skip)]
        visitor: &'static str,
        encoded: Vec<Encoded>,
        mapper: Tensor<1>,
    },
}

#[test]
fn the_variant_of_an_enum_decides_which_tensors_are_reached() {
    assert!(seen(&Message::Done).is_empty());
    assert!(matches!(mapped(Message::Done), (Message::Done, order) if order.is_empty()));

    let tokens = Message::Tokens(ints([4, 2]), 9);
    assert_eq!(seen(&tokens), ["int [4, 2]"]);
    let (Message::Tokens(tokens, kept), order) = mapped(tokens) else {
        panic!("a signal keeps its variant");
    };
    assert_eq!(order, ["int [4, 2]"]);
    assert_eq!((only_float(tokens.float()), kept), (1.0, 9));
}

#[test]
fn a_variant_with_named_fields_is_reached_in_order_whatever_their_names() {
    let message = Message::Encoded {
        visitor: "kept",
        encoded: vec![encoded()],
        mapper: floats([6]),
    };
    let expected = [&ENCODED[..], &["float [6]"]].concat();
    assert_eq!(seen(&message), expected);
    let (
        Message::Encoded {
            visitor, mapper, ..
        },
        order,
    ) = mapped(message)
    else {
        panic!("a signal keeps its variant");
    };
    assert_eq!(order, expected);
    assert_eq!((visitor, only_float(mapper)), ("kept", 5.0));
}

#[derive(Clone, Signal)]
struct Tagged<S, T, const D: usize, const N: usize>
where
    S: core::fmt::Debug,
{
    signals: [S; N],
    extra: Tensor<D>,
    #[signal(skip)]
    tag: T,
}

#[test]
fn a_generic_struct_is_a_signal_of_what_its_parameters_are() {
    #[derive(Clone, Debug, PartialEq)]
    struct NoSignal;

    let tagged = Tagged {
        signals: [(floats([1]), ints([2])), (floats([3]), ints([4]))],
        extra: floats([5, 6]),
        tag: NoSignal,
    };
    let expected = [
        "float [1]",
        "int [2]",
        "float [3]",
        "int [4]",
        "float [5, 6]",
    ];
    assert_eq!(seen(&tagged), expected);
    let (tagged, order) = mapped(tagged);
    assert_eq!(order, expected);
    assert_eq!((only_float(tagged.extra), tagged.tag), (5.0, NoSignal));
}

#[derive(Clone, Signal)]
enum Either<L, R> {
    Left(L),
    Right { right: R },
}

#[test]
fn a_generic_enum_is_a_signal_of_what_its_parameters_are() {
    let left: Either<Tensor<1>, Tensor<2>> = Either::Left(floats([3]));
    assert_eq!(seen(&left), ["float [3]"]);
    assert!(matches!(mapped(left).0, Either::Left(_)));

    let right: Either<Tensor<1>, Tensor<2>> = Either::Right {
        right: floats([3, 4]),
    };
    assert_eq!(seen(&right), ["float [3, 4]"]);
    assert!(matches!(mapped(right).0, Either::Right { .. }));
}

#[test]
fn an_enum_without_variants_is_a_signal() {
    #[derive(Clone, Signal)]
    enum Never {}

    assert!(seen(&None::<Never>).is_empty());
}
