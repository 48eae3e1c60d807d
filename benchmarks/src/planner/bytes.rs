//! How many bytes the stages of one host need at once.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use burn_pipeline::{Measurement, Op, Partition, Profile, Timeline, WorkingBytes};

/// The most bytes that are alive during a step of which this is the timeline, above what was alive
/// before: what stages keep, what their layers work with, and the gradients of their parameters.
/// The first backward pass of a chunk leaves gradients, and each later one has its own beside them
/// until it has added them.
pub fn peak_bytes(
    profile: &Profile,
    partition: &Partition,
    timeline: &Timeline,
    num_samples: usize,
) -> u64 {
    let mut changes: Vec<(f64, i64)> = Vec::new();
    let sent = sent(timeline);
    for stage in 0..timeline.num_stages() {
        let spans = || timeline.stage(stage);
        let recomputed: HashSet<_> = spans()
            .filter(|it| it.instruction.op() == Op::Recompute)
            .map(|it| (it.instruction.chunk(), it.instruction.micro_batch()))
            .collect();
        let mut has_gradients = HashSet::new();
        for span in spans() {
            let chunk = span.instruction.chunk();
            let place = chunk * timeline.num_stages() + stage;
            let layers = partition.stage(place);
            let micro_batch = span.instruction.micro_batch();
            let is_recomputed = recomputed.contains(&(chunk, micro_batch));
            let mut pass = Pass {
                profile,
                num_samples,
                time: span.start,
                end: span.end,
                changes: &mut changes,
            };
            match span.instruction.op() {
                Op::Forward if is_recomputed => {
                    let arrived = sent.get(&(place.wrapping_sub(1), micro_batch));
                    pass.boundary(&layers, 1, *arrived.unwrap_or(&span.start));
                    pass.compute(layers);
                }
                Op::Forward | Op::Recompute => pass.record(layers),
                Op::Backward => {
                    pass.back(layers.clone(), has_gradients.insert(chunk));
                    if is_recomputed {
                        pass.boundary(&layers, -1, span.end);
                    }
                }
            }
        }
    }
    changes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut level = 0;
    let levels = changes.iter().map(|&(_, change)| {
        level += change;
        level
    });
    levels.max().unwrap_or(0).max(0) as u64
}

/// When each place along the model has sent each micro-batch.
fn sent(timeline: &Timeline) -> HashMap<(usize, usize), f64> {
    let num_stages = timeline.num_stages();
    let stages = (0..num_stages).flat_map(|stage| timeline.stage(stage).map(move |it| (stage, it)));
    let forwards = stages.filter(|(_, it)| it.instruction.op() == Op::Forward);
    forwards
        .map(|(stage, it)| {
            let place = it.instruction.chunk() * num_stages + stage;
            ((place, it.instruction.micro_batch()), it.end)
        })
        .collect()
}

/// A pass through the layers of a chunk, and the bytes that come and go as it proceeds.
struct Pass<'a> {
    profile: &'a Profile,
    num_samples: usize,
    /// How far it is.
    time: f64,
    end: f64,
    changes: &'a mut Vec<(f64, i64)>,
}

impl Pass<'_> {
    fn layer(&self, layer: usize) -> Measurement {
        self.profile.at(layer, self.num_samples)
    }

    fn change(&mut self, bytes: i64) {
        self.changes.push((self.time, bytes));
    }

    /// What the chunk receives comes, or goes. Stages share the memory of the host: it counts where
    /// the chunk before does not keep it, and the mini-batch is there anyway.
    fn boundary(&mut self, layers: &Range<usize>, sign: i64, time: f64) {
        if let Some(before) = layers.start.checked_sub(1) {
            let bytes = self.layer(before).output_bytes as i64;
            self.changes.push((time, sign * bytes));
        }
    }

    /// One layer after the other, each with its share of the time: `before` and `after` it, and
    /// while it works.
    fn run(
        &mut self,
        layers: impl Iterator<Item = usize> + Clone,
        seconds: fn(&Measurement) -> f64,
        bytes: impl Fn(usize, &Measurement) -> (i64, i64),
    ) {
        let all: f64 = layers.clone().map(|it| seconds(&self.layer(it))).sum();
        let rate = (self.end - self.time) / all.max(f64::MIN_POSITIVE);
        for layer in layers {
            let it = self.layer(layer);
            let (during, after) = bytes(layer, &it);
            self.change(during);
            self.time = self.end.min(self.time + rate * seconds(&it));
            self.change(after - during);
        }
        self.time = self.end;
    }

    fn compute(&mut self, layers: Range<usize>) {
        let seconds = |it: &Measurement| it.forward;
        self.run(layers, seconds, |_, it| {
            ((it.output_bytes + working(it).forward) as i64, 0)
        });
    }

    fn record(&mut self, layers: Range<usize>) {
        let seconds = |it: &Measurement| it.recorded_forward;
        self.run(layers, seconds, |_, it| {
            let kept = it.activation_bytes as i64;
            (kept + working(it).forward as i64, kept)
        });
    }

    /// Gradients are all there just before the pass ends, when the activations are gone.
    fn back(&mut self, layers: Range<usize>, stays: bool) {
        let seconds = |it: &Measurement| it.backward;
        let gradients = |layer: usize| self.profile.layers[layer].parameter_bytes as i64;
        let own: i64 = layers.clone().map(gradients).sum();
        let profile = self.profile;
        self.run(layers.rev(), seconds, |layer, it| {
            let own = profile.layers[layer].parameter_bytes as i64;
            let after = own - it.activation_bytes as i64;
            (after.max(0) + working(it).backward as i64, after)
        });
        if !stays {
            self.change(-own);
        }
    }
}

fn working(it: &Measurement) -> WorkingBytes {
    it.working_bytes.unwrap_or_default()
}
