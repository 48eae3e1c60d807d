//! A signal in parts on several devices, and fetching any region of it.

use std::ops::Range;

use burn::tensor::kind::Autodiff;
use burn::tensor::{Bool, Device, Int, Tensor};

use super::traffic::{Counter, bytes_of};
use crate::signal::{
    AnySignal, Signal, SignalMapper, TensorVisitor, Uniform, batch_size, concat_along,
};
use crate::transfer::move_to;

/// A range for each dimension.
pub(crate) type Ranges = Vec<Range<usize>>;

/// A signal in parts: what one layer sends and the next one takes, whose type only they know.
#[derive(Default)]
pub(crate) struct Spread {
    /// The sizes of the whole signal, as [`dims_of`] a signal.
    pub(crate) dims: Vec<usize>,
    pub(crate) parts: Vec<SpreadPart<AnySignal>>,
}

/// A part of a signal.
pub(crate) struct SpreadPart<S> {
    /// The place in the group of the device that it is on; none for an input from elsewhere.
    pub(crate) at: Option<usize>,
    /// Which part it is.
    pub(crate) ranges: Ranges,
    pub(crate) signal: S,
}

/// The sizes of a signal that is one tensor; of another one the number of its samples, or nothing
/// where its tensors do not agree on it.
pub(crate) fn dims_of<S: Signal>(signal: &S) -> Vec<usize> {
    let mut all = Uniform(Dims(Vec::new()));
    signal.visit(&mut all);
    let mut all = all.0.0;
    match all.len() {
        1 => all.remove(0),
        _ => batch_size(signal).into_iter().collect(),
    }
}

impl Spread {
    /// A signal in one part.
    pub(crate) fn whole<S: Signal>(signal: S, at: Option<usize>) -> Self {
        let dims = dims_of(&signal);
        Self {
            parts: vec![SpreadPart {
                at,
                ranges: dims.iter().map(|size| 0..*size).collect(),
                signal: AnySignal::new(signal),
            }],
            dims,
        }
    }

    /// The parts as what they are.
    pub(crate) fn into_parts<S: Signal>(self) -> Vec<SpreadPart<S>> {
        let parts = self.parts.into_iter().map(|part| SpreadPart {
            at: part.at,
            ranges: part.ranges,
            signal: part.signal.into_signal(),
        });
        parts.collect()
    }
}

/// Where a signal is wanted, and who counts what had to move there.
pub(crate) struct Destination<'a> {
    pub(crate) at: usize,
    pub(crate) device: &'a Device,
    pub(crate) counter: &'a Counter,
}

/// The region `wanted` of a signal, put together at one place from parts that make up the whole.
/// Only what is not there yet moves.
pub(crate) fn fetch<S: Signal>(
    parts: &[SpreadPart<S>],
    wanted: &[Range<usize>],
    to: &Destination,
) -> S {
    if let [part] = parts
        && part.ranges == wanted
    {
        return brought(part.signal.clone(), part.at, to);
    }
    let mut found = Vec::new();
    for part in parts {
        let both: Ranges = part.ranges.iter().zip(wanted).map(overlap).collect();
        if both.iter().any(Range::is_empty) {
            continue;
        }
        let within = both.iter().zip(&part.ranges);
        let within = within.map(|(both, part)| both.start - part.start..both.end - part.start);
        let cut = cut_out(part.signal.clone(), within.collect());
        found.push((both, brought(cut, part.at, to)));
    }
    join(found, wanted.len())
}

/// These ranges of the first dimensions of every tensor.
pub(crate) fn cut_out<S: Signal>(signal: S, ranges: Ranges) -> S {
    signal.map(&mut Cut(ranges))
}

fn overlap((one, other): (&Range<usize>, &Range<usize>)) -> Range<usize> {
    let start = one.start.max(other.start);
    start..one.end.min(other.end).max(start)
}

fn brought<S: Signal>(signal: S, from: Option<usize>, to: &Destination) -> S {
    match from == Some(to.at) {
        true => signal,
        false => signal.map(&mut Bring(to)),
    }
}

/// Parts of a grid as one: joined along the last dimension first.
fn join<S: Signal>(mut parts: Vec<(Ranges, S)>, rank: usize) -> S {
    for dim in (0..rank).rev() {
        let mut rows: Vec<(Ranges, Vec<S>)> = Vec::new();
        parts.sort_by_key(|(ranges, _)| ranges[dim].start);
        for (ranges, signal) in parts {
            let beside = |row: &Ranges| (0..rank).all(|d| d == dim || row[d] == ranges[d]);
            match rows.iter_mut().find(|(row, _)| beside(row)) {
                Some((row, signals)) => {
                    row[dim].end = ranges[dim].end;
                    signals.push(signal);
                }
                None => rows.push((ranges, vec![signal])),
            }
        }
        let join = |(ranges, signals)| {
            let joined = concat_along(signals, dim);
            (ranges, joined.expect("cut out of parts of one signal"))
        };
        parts = rows.into_iter().map(join).collect();
    }
    let (_, whole) = parts.pop().expect("the parts make up the whole signal");
    assert!(parts.is_empty(), "parts of a signal overlap");
    whole
}

struct Dims(Vec<Vec<usize>>);

impl TensorVisitor for Dims {
    fn visit_tensor<const D: usize, K: Autodiff + 'static>(&mut self, tensor: &Tensor<D, K>) {
        self.0.push(tensor.dims().to_vec());
    }
}

/// Cuts these ranges out of the first dimensions of every tensor.
struct Cut(Ranges);

impl Cut {
    fn cut<const D: usize, K: Autodiff>(&self, mut tensor: Tensor<D, K>) -> Tensor<D, K> {
        for (dim, range) in self.0.iter().enumerate().take(D) {
            if range.len() != tensor.dims()[dim] {
                tensor = tensor.narrow(dim, range.start, range.len());
            }
        }
        tensor
    }
}

impl SignalMapper for Cut {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        self.cut(tensor)
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        self.cut(tensor)
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        self.cut(tensor)
    }
}

/// Brings every tensor to a place, and counts it.
struct Bring<'a>(&'a Destination<'a>);

impl Bring<'_> {
    fn bring<const D: usize, K: Autodiff>(
        &self,
        tensor: Tensor<D, K>,
        tracked: bool,
    ) -> Tensor<D, K> {
        let bytes = bytes_of(&tensor);
        self.0.counter.add(bytes, if tracked { bytes } else { 0 });
        move_to(tensor, self.0.device)
    }
}

impl SignalMapper for Bring<'_> {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        let tracked = tensor.is_tracked();
        self.bring(tensor, tracked)
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        self.bring(tensor, false)
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        self.bring(tensor, false)
    }
}
