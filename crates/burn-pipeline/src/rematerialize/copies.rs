//! The copies of a model that one stage works on during one step.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::kind::Autodiff;
use burn::tensor::{Bool, Device, Int, Tensor};

use super::{Decays, LayerFacts, Norms, Statistics};
use crate::layer::{Layer, LayerMapper, LayerVisitor, Sequential};
use crate::signal::StageDevice;
use crate::transfer::move_to;

/// Which copy of the layers runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// A forward that records its graph.
    Tracked,
    /// A forward that only computes: its micro-batch is recomputed later.
    Untracked,
    /// The second, recorded run of a micro-batch that an untracked one has seen already.
    Recompute,
}

/// A stage's own copies of its layers, for one step.
///
/// All share the values of the parameters and nothing of their graphs: the leaves are this
/// stage's, so no other thread ever joins what is recorded on them. The first two share their
/// running statistics, because together they are the step's forward pass; a recomputation has
/// statistics of its own, which nobody reads. None of them are the model's: a step that fails
/// leaves those as they were.
pub(crate) struct StageCopies<M> {
    norms: Norms,
    tracked: M,
    untracked: Option<M>,
    recompute: Option<M>,
    layers: Range<usize>,
    facts: Arc<Vec<LayerFacts>>,
    device: StageDevice,
    settings: Settings,
}

impl<M: Sequential> StageCopies<M> {
    pub(crate) fn new(
        model: M,
        layers: Range<usize>,
        facts: Arc<Vec<LayerFacts>>,
        device: &StageDevice,
        recomputes: bool,
        samples: Arc<Vec<Range<usize>>>,
        decays: Decays,
    ) -> Self {
        let settings = Settings::of(&model, &layers);
        let norms = Norms::of(&model, &layers, samples, decays, device.is_half());
        let copy = |model: M, track| {
            let leaves = Leaves::new(device, &facts[layers.clone()], &settings, track);
            model.map_layers(&mut OwnLayers::new(&layers, leaves))
        };
        let fresh = |model: M| model.map_layers(&mut OwnLayers::new(&layers, Fresh));

        let recompute = recomputes.then(|| copy(fresh(model.clone()), true));
        let forward = fresh(model);
        let untracked = recomputes.then(|| copy(forward.clone(), false));

        let tracked = copy(forward, true);
        Self {
            norms,
            tracked,
            untracked,
            recompute,
            layers,
            facts,
            device: device.clone(),
            settings,
        }
    }

    /// The copy that runs one micro-batch. A recorded one has leaves of its own: on shared ones,
    /// the graphs of all micro-batches in flight would be one, and each backward pass would look
    /// through all of it.
    pub(crate) fn copy(&self, pass: Pass) -> M {
        let shared = match pass {
            Pass::Tracked => Some(&self.tracked),
            Pass::Untracked => self.untracked.as_ref(),
            Pass::Recompute => self.recompute.as_ref(),
        };
        let copy = shared
            .expect("copies for recomputing exist when the schedule recomputes")
            .clone();
        if pass == Pass::Untracked {
            return copy;
        }
        let leaves = self.leaves(&self.device, true);
        copy.map_layers(&mut OwnLayers::new(&self.layers, leaves))
    }

    /// A copy that only computes, with statistics of its own, to be run once before any other: it
    /// shows how fast the running statistics of batch norms move, where that is not known yet.
    pub(crate) fn probe(&self) -> Option<M> {
        if !self.norms.is_unknown() {
            return None;
        }
        let own = self
            .tracked
            .clone()
            .map_layers(&mut OwnLayers::new(&self.layers, Fresh));
        let device = self.device.in_full_precision();
        let leaves = self.leaves(&device, false);
        let copy = own.map_layers(&mut OwnLayers::new(&self.layers, leaves));
        Some(self.norms.probe(copy, &self.layers))
    }

    fn leaves<'a>(&'a self, device: &'a StageDevice, track: bool) -> Leaves<'a> {
        let facts = &self.facts[self.layers.clone()];
        Leaves::new(device, facts, &self.settings, track)
    }

    /// The probe has run.
    pub(crate) fn learn(&self, probe: &M) {
        self.norms.learn(probe, &self.layers);
    }

    /// Before `copy` runs a micro-batch forward.
    pub(crate) fn start(&self, copy: &M, pass: Pass) {
        if pass != Pass::Recompute {
            self.norms.start(copy, &self.layers);
        }
    }

    /// After it.
    pub(crate) fn keep(&mut self, copy: &M, pass: Pass, micro_batch: usize) {
        if pass != Pass::Recompute {
            self.norms.keep(copy, &self.layers, micro_batch);
        }
    }

    /// The running statistics after the forward passes of the step.
    pub(crate) fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::of(&self.tracked, &self.layers);
        self.norms.finish(&mut statistics);
        statistics
    }

    pub(crate) fn device(&self) -> &StageDevice {
        &self.device
    }

    /// The sum of all leaves of `copy`, through which a graph of theirs can be reached.
    pub(crate) fn sum_of_leaves(&self, copy: &M) -> Option<Tensor<1>> {
        let mut sum = SumOfLeaves {
            device: self.device.device(),
            sum: None,
        };
        copy.visit_layers(&mut OwnLayers::new(&self.layers, &mut sum));
        sum.sum
    }
}

/// Restricts a visitor or a mapper to the layers of one stage.
pub(crate) struct OwnLayers<'a, F> {
    layers: &'a Range<usize>,
    next: usize,
    inner: F,
}

impl<'a, F> OwnLayers<'a, F> {
    pub(crate) fn new(layers: &'a Range<usize>, inner: F) -> Self {
        Self {
            layers,
            next: 0,
            inner,
        }
    }

    fn is_own(&mut self) -> bool {
        let index = self.next;
        self.next += 1;
        self.layers.contains(&index)
    }
}

impl<F: LayerMapper> LayerMapper for OwnLayers<'_, F> {
    fn map_layer<L: Layer>(&mut self, layer: L) -> L {
        match self.is_own() {
            true => self.inner.map_layer(layer),
            false => layer,
        }
    }
}

impl<V: ModuleVisitor> LayerVisitor for OwnLayers<'_, &mut V> {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        if self.is_own() {
            layer.visit(self.inner);
        }
    }
}

/// Gives a layer running statistics of its own. What of parameters and flags it takes away,
/// [`Leaves`] brings back from [`Settings`]; tensors that are no parameters stay without autodiff.
struct Fresh;

impl LayerMapper for Fresh {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        layer.valid()
    }
}

/// What of a stage trains: which parameters require gradients, which flags are set. In the order
/// of a traversal, not by id: a frozen clone keeps the id of what it was cloned from.
#[derive(Clone, Default)]
struct Settings {
    require_grad: VecDeque<bool>,
    flags: VecDeque<bool>,
}

impl Settings {
    fn of<M: Sequential>(model: &M, layers: &Range<usize>) -> Self {
        let mut settings = Self::default();
        model.visit_layers(&mut OwnLayers::new(layers, &mut settings));
        settings
    }
}

impl ModuleVisitor for Settings {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.require_grad.push_back(param.is_require_grad());
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.flags.push_back(flag.is_enabled());
    }
}

struct Leaves<'a> {
    device: &'a StageDevice,
    settings: Settings,
    track: bool,
    /// What is known of the layers to come.
    facts: std::slice::Iter<'a, LayerFacts>,
    /// Where parameters of this layer stay, besides the stage's own device.
    keeps: &'a [Device],
}

impl<'a> Leaves<'a> {
    fn new(
        device: &'a StageDevice,
        facts: &'a [LayerFacts],
        settings: &Settings,
        track: bool,
    ) -> Self {
        Self {
            device,
            settings: settings.clone(),
            track,
            facts: facts.iter(),
            keeps: &[],
        }
    }

    fn tensor<const D: usize, K: Autodiff>(&self, tensor: Tensor<D, K>) -> Tensor<D, K> {
        match !self.keeps.is_empty() && self.keeps.contains(&tensor.device()) {
            true => self.device.in_place(tensor),
            false => self.device.tensor(tensor),
        }
    }
}

impl LayerMapper for Leaves<'_> {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        self.keeps = self.facts.next().map_or(&[], |facts| &facts.keeps);
        layer.map(self)
    }
}

impl ModuleMapper for Leaves<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let require_grad = self.settings.require_grad.pop_front() == Some(true);
        let (id, tensor, mapper) = param.consume();
        let leaf = self
            .device
            .cast(self.tensor(tensor))
            .set_require_grad(self.track && require_grad);
        Param::from_mapped_value(id, leaf, mapper)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        param.map(|tensor| self.tensor(tensor))
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        param.map(|tensor| self.tensor(tensor))
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let enabled = self.settings.flags.pop_front() == Some(true);
        flag.with_value(enabled)
    }
}

struct SumOfLeaves<'a> {
    device: &'a Device,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SumOfLeaves<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        if tensor.is_require_grad() {
            let term = move_to(tensor.sum(), self.device);
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + term,
                None => term,
            });
        }
    }
}
