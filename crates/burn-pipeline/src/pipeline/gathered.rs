//! A loss over the whole mini-batch at the end of the last stage.

use std::sync::mpsc::{Sender, channel};

use burn::tensor::{Gradients, Tensor};
use burn_pipeline_plan::{Op, Schedule, ScheduleKind, rematerialize};

use super::loss::{MicroResult, MicroResults, assert_one_number, scaled};
use crate::engine::LossEnd;
use crate::rematerialize::Pass;
use crate::signal::{
    AnySignal, FloatGradients, Passing, Signal, StageDevice, at_home, concat, plain,
};
use crate::{PipelineConfig, PipelineError};

/// The loss of all outputs together: they wait on the last stage until the last of them is there,
/// become leaves of one graph, and its gradients go back by micro-batches.
pub(crate) struct GatheredLoss<O, T, F> {
    loss: F,
    target: T,
    scale: f64,
    device: StageDevice,
    keep_outputs: bool,
    waiting: Vec<Option<O>>,
    gradients: Computed,
    results: Sender<MicroResult<O>>,
}

/// The gradients of all outputs: none where the loss depends on no output.
enum Computed {
    NotYet,
    Gradients(Option<Gradients>),
}

impl<O: Signal, T: Signal, F: Fn(O, T) -> Tensor<1>> GatheredLoss<O, T, F> {
    pub(crate) fn new(
        loss: F,
        target: T,
        scale: f64,
        num_micro_batches: usize,
        device: StageDevice,
        keep_outputs: bool,
    ) -> (Self, MicroResults<O>) {
        let (results, receiver) = channel();
        let end = Self {
            loss,
            target,
            scale,
            device,
            keep_outputs,
            waiting: (0..num_micro_batches).map(|_| None).collect(),
            gradients: Computed::NotYet,
            results,
        };
        (end, MicroResults::new(receiver))
    }

    fn backward(&self) -> Option<Gradients> {
        let waiting = self.waiting.iter().map(|outputs| {
            let outputs = outputs.clone();
            outputs.expect("a schedule that gathers runs every forward first")
        });
        let outputs = concat(waiting.collect())
            .unwrap_or_else(|shape| panic!("{}", shape.describe("the outputs")));
        let kept = self.keep_outputs.then(|| plain(outputs.clone()));
        let target = self.device.leaves(self.target.clone(), false);

        let loss = (self.loss)(outputs, target);
        assert_one_number(&loss);
        // The caller holds the other end until all workers have reported.
        let _ = self.results.send(MicroResult {
            micro_batch: 0,
            loss: loss.clone().without_autodiff(),
            outputs: kept,
        });
        let loss = scaled(loss, self.scale);
        loss.is_tracked().then(|| loss.backward())
    }
}

impl<O: Signal, T: Signal, F: Fn(O, T) -> Tensor<1> + Send> LossEnd for GatheredLoss<O, T, F> {
    fn loss(&mut self, micro_batch: usize, outputs: AnySignal, pass: Pass) -> Option<Tensor<1>> {
        if pass != Pass::Recompute {
            let full = self.device.in_full_precision();
            let outputs = plain(full.cast_signal(at_home(outputs.into_signal::<O>())));
            self.waiting[micro_batch] = Some(self.device.leaves(outputs, true));
        }
        None
    }

    fn gradients(&mut self, micro_batch: usize) -> FloatGradients {
        if let Computed::NotYet = self.gradients {
            self.gradients = Computed::Gradients(self.backward());
        }
        match (&mut self.gradients, self.waiting[micro_batch].take()) {
            (Computed::Gradients(Some(gradients)), Some(outputs)) => {
                let passing = Passing::default();
                FloatGradients::of_leaves(&outputs, Some(gradients), passing, &self.device)
            }
            _ => FloatGradients::default(),
        }
    }
}

impl PipelineConfig {
    /// The schedule of a step whose loss waits for all outputs: `schedule`, where its last part
    /// runs every forward first; otherwise the kind that does, with as many chunks.
    pub(crate) fn gathering(&self, schedule: &Schedule) -> Result<Schedule, PipelineError> {
        if gathers(schedule) {
            return Ok(schedule.clone());
        }
        let kind = match (&self.schedule, self.schedule.num_chunks()) {
            (ScheduleKind::Custom(_), _) => {
                return Err(PipelineError::Configuration(
                    "the schedule runs the last part backward before all micro-batches have been \
                     through it, but the loss waits for all of their outputs: move the last \
                     part's forwards before its backwards, or take a loss per micro-batch"
                        .to_string(),
                ));
            }
            (_, 1) => ScheduleKind::GPipe,
            (_, num_chunks) => ScheduleKind::BreadthFirst { num_chunks },
        };
        let schedule = kind.schedule(schedule.num_stages(), schedule.num_micro_batches())?;
        Ok(rematerialize(schedule, self.rematerialization))
    }
}

fn gathers(schedule: &Schedule) -> bool {
    let last = schedule.stage(schedule.num_stages() - 1);
    let last_chunk = last.iter().map(|it| it.chunk()).max();
    let of_last = last.iter().filter(|it| Some(it.chunk()) == last_chunk);
    of_last
        .skip_while(|it| it.op() != Op::Backward)
        .all(|it| it.op() != Op::Forward)
}
