//! From a profile to the costs of a schedule's instructions.

use std::collections::HashSet;

use burn_pipeline::{Cost, Costs, Instruction, Measurement, Op, Partition, Profile, Schedule};

/// What the instructions of `schedule` cost where `partition` says which layers each place has, all
/// on devices between which nothing moves, with `num_samples` in each micro-batch.
pub fn costs(
    profile: &Profile,
    partition: &Partition,
    schedule: &Schedule,
    num_samples: usize,
) -> Costs {
    let num_stages = schedule.num_stages();
    let num_places = partition.num_stages();
    let place = |place: usize| {
        let (stage, chunk) = (place % num_stages, place / num_stages);
        let instructions = schedule.stage(stage).iter();
        let recomputed: HashSet<Instruction> = instructions
            .filter(|it| it.op() == Op::Recompute)
            .copied()
            .collect();
        let micro_batches = 0..schedule.num_micro_batches();
        let layers = partition.stage(place);
        let sum = |of: fn(&Measurement) -> f64| {
            let layers = layers
                .clone()
                .map(|layer| of(&profile.at(layer, num_samples)));
            layers.sum::<f64>()
        };
        let is_last = place + 1 == num_places;
        let loss = match is_last {
            true => profile.loss_at(num_samples),
            false => Measurement::default(),
        };
        let pull_back = match is_last {
            true => 0.0,
            false => profile.at(layers.end - 1, num_samples).pull_back,
        };
        let recorded = sum(|it| it.recorded_forward) + loss.recorded_forward;
        let activations = layers
            .clone()
            .map(|it| profile.at(it, num_samples).activation_bytes);
        let boundary_bytes = match layers.start.checked_sub(1) {
            Some(before) => profile.at(before, num_samples).output_bytes,
            // The mini-batch is there anyway.
            None => 0,
        };
        let activation_bytes = activations.sum();
        let cost = |micro_batch| {
            let recompute = Instruction::recompute(micro_batch).on_chunk(chunk);
            Cost {
                forward: match recomputed.contains(&recompute) {
                    true => sum(|it| it.forward) + loss.forward,
                    false => recorded,
                },
                recompute: recorded,
                backward: sum(|it| it.backward) + loss.backward + pull_back,
                boundary: 0.0,
                gradient: 0.0,
                boundary_bytes,
                activation_bytes,
            }
        };
        micro_batches.map(cost).collect()
    };
    Costs::new((0..num_places).map(place).collect())
}
