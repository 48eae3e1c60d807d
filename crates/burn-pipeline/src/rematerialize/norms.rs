//! Batch norm's running statistics over a whole mini-batch.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::ParamId;
use burn::tensor::{DType, Tensor};

use super::Statistics;
use super::norm_states::{Norm, Values, find, read, set};
use crate::layer::Sequential;

/// Moves the running statistics of a stage's batch norms on once per mini-batch, whatever the
/// number of micro-batches: by the mean and the variance of all samples that the layer saw.
///
/// Burn's batch norm moves them on itself in every forward, `new = a * old + (1 - a) * x`, where
/// `x` is the mean or the variance of its input and `a` a number that no visitor sees. So each
/// micro-batch starts from zero and leaves `(1 - a) * x`. With the parts `w` that micro-batches
/// have of the samples, the mini-batch has the mean `X = sum(w * x)` and the variance
/// `sum(w * v) + sum(w * (x - X)^2)` (Chan, Golub and LeVeque, *Updating formulae and a pairwise
/// algorithm for computing sample variances*, 1979). They are added in the order of the
/// micro-batches, so that they are the same for every schedule and partition. A mini-batch of one
/// micro-batch moves them on as Burn does.
pub(crate) struct Norms {
    norms: Vec<Norm>,
    /// In half precision, those that do not train: what a copy has of them is rounded.
    frozen: Vec<Norm>,
    before: Values,
    seen: BTreeMap<usize, Values>,
    samples: Arc<Vec<Range<usize>>>,
    decays: Decays,
}

/// The `a` of every batch norm that has been asked for it, for as long as the pipeline lives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decays(Arc<Mutex<HashMap<ParamId, Answer>>>);

#[derive(Debug, Clone, Copy)]
struct Answer {
    decay: f64,
    num_asked: usize,
}

/// How often a norm is asked that does not move: its layer may have left it out.
const MAX_ASKED: usize = 8;

impl Decays {
    fn get(&self, norm: Norm) -> Option<f64> {
        let decays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        decays.get(&norm.mean).map(|answer| answer.decay)
    }

    fn is_known(&self, norm: Norm) -> bool {
        let decays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        decays
            .get(&norm.mean)
            .is_some_and(|answer| answer.decay < 1.0 || answer.num_asked >= MAX_ASKED)
    }

    fn set(&self, norm: Norm, decay: f64) {
        let mut decays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = decays.entry(norm.mean).or_insert(Answer {
            decay,
            num_asked: 0,
        });
        answer.decay = answer.decay.min(decay);
        answer.num_asked += 1;
    }
}

/// So much larger than any statistic that adding one changes nothing: what a forward leaves of it
/// is `a`, as exactly as a number of this type can say.
fn probe(dtype: DType) -> f64 {
    let exponent = match dtype {
        DType::F16 => 14,
        _ => 100,
    };
    (1u128 << exponent) as f64
}

/// The part of the probe that is left, if any number of it is finite.
fn decay_of(left: &Tensor<1>) -> Option<f64> {
    let data = left.clone().into_data();
    let largest = data.iter::<f64>().filter(|left| left.is_finite());
    let largest = largest.reduce(f64::max)?;
    Some(largest / probe(left.dtype()))
}

impl Norms {
    pub(crate) fn of<M: Sequential>(
        model: &M,
        layers: &Range<usize>,
        samples: Arc<Vec<Range<usize>>>,
        decays: Decays,
        half: bool,
    ) -> Self {
        // One micro-batch needs none of this, unless its statistics are to keep their precision.
        let norms = match samples.len() == 1 && !half {
            true => Vec::new(),
            false => find(model, layers, true),
        };
        let frozen = match half {
            true => find(model, layers, false),
            false => Vec::new(),
        };
        Self {
            frozen,
            before: read(model, layers, &norms),
            norms,
            seen: BTreeMap::new(),
            samples,
            decays,
        }
    }

    /// Whether a forward with [`probe`](Self::probe) must show how fast the statistics move.
    pub(crate) fn is_unknown(&self) -> bool {
        self.norms.iter().any(|norm| !self.decays.is_known(*norm))
    }

    /// Make `copy`, whose statistics are its own, show in its next forward how fast they move.
    pub(crate) fn probe<M: Sequential>(&self, copy: M, layers: &Range<usize>) -> M {
        set(copy, layers, &self.norms, probe)
    }

    /// Read what a forward has made of the [`probe`](Self::probe). Inputs that are not finite show
    /// nothing: then the next micro-batch is asked, and until one shows it, statistics do not move.
    ///
    /// # Panics
    ///
    /// When the statistics are no moving average.
    pub(crate) fn learn<M: Sequential>(&self, copy: &M, layers: &Range<usize>) {
        let mut left = read(copy, layers, &self.norms);
        for norm in &self.norms {
            let decay = match left.remove(&norm.mean) {
                Some(left) => decay_of(&left),
                None => Some(f64::NAN),
            };
            let Some(decay) = decay else { continue };
            assert!(
                (0.0..=1.0).contains(&decay),
                "the running mean {} of a `BatchNorm` is no moving average of its inputs' means: \
                 give a module of your own, which keeps other statistics, another name",
                norm.mean
            );
            self.decays.set(*norm, decay);
        }
    }

    /// Let `copy` start its next micro-batch from zero.
    pub(crate) fn start<M: Sequential>(&self, copy: &M, layers: &Range<usize>) {
        if !self.norms.is_empty() {
            set(copy.clone(), layers, &self.norms, |_| 0.0);
        }
    }

    /// Keep what a forward of `micro_batch` has left.
    pub(crate) fn keep<M: Sequential>(
        &mut self,
        copy: &M,
        layers: &Range<usize>,
        micro_batch: usize,
    ) {
        if !self.norms.is_empty() {
            let left = read(copy, layers, &self.norms);
            self.seen.insert(micro_batch, left);
        }
    }

    /// Write the statistics after the mini-batch over those of its last micro-batch.
    pub(crate) fn finish(&self, statistics: &mut Statistics) {
        for norm in &self.norms {
            let [mean, variance] = self.moved_on(*norm);
            statistics.set(norm.mean, mean);
            statistics.set(norm.variance, variance);
        }
        for norm in &self.frozen {
            statistics.forget(norm.mean);
            statistics.forget(norm.variance);
        }
    }

    fn moved_on(&self, norm: Norm) -> [Tensor<1>; 2] {
        let before = |id| self.before[&id].clone();
        let decay = self.decays.get(norm).unwrap_or(1.0);
        if decay == 1.0 {
            return [before(norm.mean), before(norm.variance)];
        }

        let dtype = before(norm.mean).dtype();
        let mean = self.sum(|left| left[&norm.mean].clone().cast(dtype));
        let within = self.sum(|left| left[&norm.variance].clone().cast(dtype));
        let between = self.sum(|left| {
            let distance = left[&norm.mean].clone().cast(dtype) - mean.clone();
            distance.powi_scalar(2) / (1.0 - decay)
        });
        [
            before(norm.mean) * decay + mean,
            before(norm.variance) * decay + (within + between),
        ]
    }

    /// The sum over micro-batches, each by its part of the samples.
    fn sum(&self, of: impl Fn(&Values) -> Tensor<1>) -> Tensor<1> {
        let num_samples = self.samples.last().map_or(0, |samples| samples.end);
        let terms = self.seen.iter().map(|(micro_batch, left)| {
            let part = self.samples[*micro_batch].len() as f64 / num_samples as f64;
            of(left) * part
        });
        terms
            .reduce(|sum, term| sum + term)
            .expect("a step that is done has run every micro-batch forward")
    }
}
