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
