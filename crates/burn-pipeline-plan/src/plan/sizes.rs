use std::{ops::Range, rc::Rc};

use super::{
    bound::extremes,
    tables::{Busy, Size, Tables},
};

/// The one or two sizes of the micro-batches of a mini-batch.
#[derive(Clone)]
pub(super) struct Sizes {
    pub(super) small: Rc<Size>,
    pub(super) large: Rc<Size>,
    /// For each micro-batch, whether it is large.
    pub(super) is_large: Vec<bool>,
}

impl Sizes {
    pub(super) fn of(tables: &Tables, sizes: &[usize]) -> Self {
        let (small, large) = extremes(sizes);
        Self {
            small: tables.size(small),
            large: tables.size(large),
            is_large: sizes.iter().map(|it| *it != small).collect(),
        }
    }

    /// Of the micro-batches of a place.
    pub(super) fn counts(&self, recomputed: &[bool]) -> Counts {
        [false, true].map(|large| {
            let of_size = self
                .is_large
                .iter()
                .zip(recomputed)
                .filter(|it| *it.0 == large);
            let num_recomputed = of_size.clone().filter(|it| *it.1).count();
            (of_size.count() as f64, num_recomputed as f64)
        })
    }

    /// How long stages of any layers compute for all micro-batches.
    pub(super) fn table(&self, tables: &Tables, counts: &Counts, device: usize) -> Busy {
        let sizes = [(&*self.small, counts[0]), (&*self.large, counts[1])];
        tables.busy(sizes, device)
    }

    /// How long a place computes for all micro-batches, and how long of that backward.
    pub(super) fn busy(
        &self,
        tables: &Tables,
        counts: &Counts,
        device: usize,
        layers: Range<usize>,
    ) -> (f64, f64) {
        let (mut busy, mut all_backward) = (0.0, 0.0);
        for (size, (num, num_recomputed)) in [&self.small, &self.large].into_iter().zip(counts) {
            if *num == 0.0 {
                continue;
            }
            let times = tables.times(size, device, layers.clone());
            busy += num * (times.recorded + times.backward) + num_recomputed * times.forward;
            all_backward += num * times.backward;
        }
        (busy, all_backward)
    }
}

/// The numbers of micro-batches, and of those that are recomputed: of the smaller and of the larger
/// ones.
pub(super) type Counts = [(f64, f64); 2];
