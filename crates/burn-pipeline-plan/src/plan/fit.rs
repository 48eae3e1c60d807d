//! How full devices are at least: what rules candidates out before their cuts are known.

use super::{
    bound::extremes,
    candidate::{Candidate, micro_batches},
    search::Search,
    shape::Shape,
};

impl Search<'_> {
    /// The least share of its memory that the fullest device needs under any cuts and placement: for
    /// all stages together, as if devices could be filled to the brim, and for the layer that needs
    /// most.
    ///
    /// At some moment every place keeps the activations of some number of micro-batches, and after
    /// the last Backward all gradients are there, twice if there are two micro-batches or more.
    pub(super) fn least_share(&self, candidate: &Candidate, shape: &Shape) -> f64 {
        let cluster = self.tables.costs.cluster();
        let limits = (0..cluster.num_devices()).map(|it| cluster.device(it).memory_bytes);
        let Some(mut limits) = limits.collect::<Option<Vec<u64>>>() else {
            return 0.0;
        };
        limits.sort_unstable_by(|a, b| b.cmp(a));
        let sizes = micro_batches(self.batch_size, candidate.num_micro_batches);
        let size = self.tables.size(extremes(&sizes).0);
        let num_chunks = candidate.kind.num_chunks() as u64;
        let num_gradients = candidate.num_micro_batches.min(2) as u64;
        let least_kept = shape.least_kept();
        // Chunks of a stage may keep the most at different times.
        let num_kept = |bytes: u64| {
            let at_different_times = bytes.saturating_mul(least_kept) / num_chunks;
            at_different_times.max(bytes.saturating_mul(shape.least_together))
        };
        let layers = 0..self.tables.num_layers();
        let all = std::slice::from_ref(&layers);
        let kept = num_kept(size.least_activation_bytes.iter().sum());
        let mut gradients = self.tables.trained_bytes(all);
        if num_chunks == 1 {
            gradients = gradients.saturating_mul(num_gradients);
        }
        let need = self
            .tables
            .parameter_bytes(all)
            .saturating_add(kept.max(gradients));
        let used = limits.iter().take(candidate.num_stages);
        let sum = used.fold(0u64, |sum, it| sum.saturating_add(*it));
        let together = need as f64 / sum.max(1) as f64;

        let one = layers.map(|layer| {
            let own = layer..layer + 1;
            let own = std::slice::from_ref(&own);
            let kept = size.least_activation_bytes[layer].saturating_mul(least_kept);
            let gradients = self.tables.trained_bytes(own).saturating_mul(num_gradients);
            let parameters = self.tables.parameter_bytes(own);
            parameters.saturating_add(kept.max(gradients))
        });
        let one = one.max().unwrap_or(0) as f64 / limits[0].max(1) as f64;
        together.max(one)
    }
}
