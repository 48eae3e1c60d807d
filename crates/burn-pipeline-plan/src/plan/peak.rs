use super::shape::Shape;
use crate::Op;

/// The bytes of one chunk of a stage.
pub(super) struct ChunkBytes {
    /// Of a smaller and of a larger micro-batch.
    pub(super) boundary: [u64; 2],
    pub(super) activation: [u64; 2],
    /// Of the gradients of its parameters.
    pub(super) gradient: u64,
}

/// The most bytes that a stage has at once for its backward passes: what it keeps, and gradients of
/// parameters. The first Backward of a chunk leaves gradients, and each later one has its own beside
/// them until it has added them.
pub(super) fn peak_bytes(
    shape: &Shape,
    stage: usize,
    is_large: &[bool],
    chunks: &[ChunkBytes],
) -> u64 {
    let layout = shape.schedule.layout();
    let mut has_sum = vec![false; chunks.len()];
    let (mut bytes, mut peak) = (0u64, 0u64);
    for it in shape.schedule.stage(stage) {
        let size = usize::from(is_large[it.micro_batch()]);
        let chunk = &chunks[it.chunk()];
        let place = layout.place(stage, it.chunk());
        let (boundary, activation) = (chunk.boundary[size], chunk.activation[size]);
        bytes = match it.op() {
            Op::Forward if shape.recomputed[place][it.micro_batch()] => {
                bytes.saturating_add(boundary)
            }
            Op::Forward => bytes.saturating_add(activation),
            Op::Recompute => bytes.saturating_sub(boundary).saturating_add(activation),
            Op::Backward => bytes.saturating_sub(activation),
        };
        peak = peak.max(bytes);
        if it.op() == Op::Backward {
            let with_own = bytes.saturating_add(chunk.gradient);
            peak = peak.max(with_own);
            if !std::mem::replace(&mut has_sum[it.chunk()], true) {
                bytes = with_own;
            }
        }
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rematerialization, ScheduleKind, plan::candidate::Candidate};
    use rstest::rstest;

    #[rstest]
    #[case::activations(2, Rematerialization::Never, 7, 20)]
    #[case::gradients_of_the_only_pass(1, Rematerialization::Never, 30, 30)]
    #[case::gradients_of_a_later_pass_beside_their_sum(2, Rematerialization::Never, 30, 60)]
    #[case::gradients_beside_an_activation(3, Rematerialization::Never, 15, 40)]
    #[case::boundaries(4, Rematerialization::Always, 1, 19)]
    fn a_stage_keeps_activations_boundaries_and_gradients(
        #[case] num_micro_batches: usize,
        #[case] rematerialization: Rematerialization,
        #[case] gradient: u64,
        #[case] peak: u64,
    ) {
        let candidate = Candidate {
            num_stages: 1,
            num_micro_batches,
            kind: ScheduleKind::GPipe,
            rematerialization,
        };
        let shape = Shape::of(&candidate, &vec![1; num_micro_batches]).unwrap();
        let chunk = ChunkBytes {
            boundary: [3; 2],
            activation: [10; 2],
            gradient,
        };
        let found = peak_bytes(&shape, 0, &vec![false; num_micro_batches], &[chunk]);
        assert_eq!(found, peak);
    }
}
