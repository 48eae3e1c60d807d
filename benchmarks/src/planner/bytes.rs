//! How many bytes the stages of one host need at once.

use burn_pipeline::{Costs, Op, Partition, Profile, Timeline};

/// The most bytes that are alive during a step of which this is the timeline, above what was alive
/// before: what stages keep, and the gradients of their parameters. The first backward pass of a
/// chunk leaves gradients, and each later one has its own beside them until it has added them.
pub fn peak_bytes(
    profile: &Profile,
    partition: &Partition,
    timeline: &Timeline,
    costs: &Costs,
) -> u64 {
    let memory = costs.memory(timeline);
    let mut changes: Vec<(f64, i64)> = Vec::new();
    for stage in 0..timeline.num_stages() {
        let mut before = 0;
        for &(time, bytes) in memory.levels(stage) {
            changes.push((time, bytes as i64 - before));
            before = bytes as i64;
        }
        let mut has_sum = std::collections::HashSet::new();
        for span in timeline.stage(stage) {
            if span.instruction.op() != Op::Backward {
                continue;
            }
            let chunk = span.instruction.chunk();
            let place = chunk * timeline.num_stages() + stage;
            let layers = partition.stage(place);
            let gradients: u64 = layers.map(|it| profile.layers[it].parameter_bytes).sum();
            // They are all there just before the pass ends, when the activations are gone.
            let end = span.end;
            changes.push((end, gradients as i64));
            if !has_sum.insert(chunk) {
                changes.push((end + 1e-12, -(gradients as i64)));
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
