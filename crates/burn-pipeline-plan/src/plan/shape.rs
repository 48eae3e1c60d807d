use super::candidate::Candidate;
use crate::{Op, Schedule, ScheduleError};

/// A schedule, and what it asks of each place along the model, whatever the layers there cost.
pub(super) struct Shape {
    pub(super) schedule: Schedule,
    /// For each place, which micro-batches are recomputed.
    pub(super) recomputed: Vec<Vec<bool>>,
    /// For each place, what is there at once: those moments that no other exceeds in everything.
    pub(super) kept: Vec<Vec<Kept>>,
    /// The number of micro-batches whose activations every chunk of some stage keeps at once, at
    /// the moment when that is most: the least of any stage.
    pub(super) least_together: u64,
}

/// What a place has at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Kept {
    /// The numbers of boundaries and of activations: of the smaller micro-batches and of the larger
    /// ones.
    pub(super) micro_batches: [(u64, u64); 2],
    /// How often the gradients of its parameters are there: the first Backward leaves them, and
    /// each later one has its own beside them until it has added them.
    pub(super) gradients: u64,
}

impl Kept {
    fn activations(&self) -> u64 {
        self.micro_batches.iter().map(|it| it.1).sum()
    }
}

impl Shape {
    pub(super) fn of(candidate: &Candidate, sizes: &[usize]) -> Result<Self, ScheduleError> {
        let schedule = candidate.schedule()?;
        let num_places = candidate.num_places();
        let smallest = sizes.iter().min();
        let is_large: Vec<bool> = sizes.iter().map(|it| Some(it) != smallest).collect();
        let mut shape = Self {
            recomputed: vec![vec![false; candidate.num_micro_batches]; num_places],
            kept: vec![Vec::new(); num_places],
            least_together: u64::MAX,
            schedule,
        };
        for stage in 0..candidate.num_stages {
            let together = shape.follow(stage, &is_large);
            shape.least_together = shape.least_together.min(together);
        }
        Ok(shape)
    }

    /// The number of micro-batches whose activations every place keeps at its peak.
    pub(super) fn least_kept(&self) -> u64 {
        let places = self.kept.iter();
        let places = places.map(|moments| moments.iter().map(Kept::activations).max());
        places.flatten().min().unwrap_or(0)
    }

    /// Notes what each chunk of a stage keeps, and says how many activations all keep at once.
    fn follow(&mut self, stage: usize, is_large: &[bool]) -> u64 {
        let layout = self.schedule.layout();
        for it in self.schedule.stage(stage) {
            if it.op() == Op::Recompute {
                let place = layout.place(stage, it.chunk());
                self.recomputed[place][it.micro_batch()] = true;
            }
        }
        let mut now: Vec<Kept> = vec![Kept::default(); layout.num_chunks];
        let mut together = 0;
        for it in self.schedule.stage(stage) {
            let place = layout.place(stage, it.chunk());
            let large = usize::from(is_large[it.micro_batch()]);
            let chunk = &mut now[it.chunk()];
            let (boundaries, activations) = &mut chunk.micro_batches[large];
            match it.op() {
                Op::Forward if self.recomputed[place][it.micro_batch()] => *boundaries += 1,
                Op::Forward => *activations += 1,
                Op::Recompute => {
                    *boundaries -= 1;
                    *activations += 1;
                }
                Op::Backward => {
                    *activations -= 1;
                    chunk.gradients += 1;
                }
            }
            keep_greatest(&mut self.kept[place], *chunk);
            chunk.gradients = chunk.gradients.min(1);
            let least = now.iter().map(Kept::activations).min();
            together = together.max(least.unwrap_or(0));
        }
        together
    }
}

/// Adds a moment unless another keeps at least as much of everything, and drops those that it is
/// above.
fn keep_greatest(moments: &mut Vec<Kept>, moment: Kept) {
    let below = |a: &Kept, b: &Kept| {
        let mut sizes = a.micro_batches.iter().zip(&b.micro_batches);
        a.gradients <= b.gradients && sizes.all(|(a, b)| a.0 <= b.0 && a.1 <= b.1)
    };
    if moments.iter().any(|it| below(&moment, it)) {
        return;
    }
    moments.retain(|it| !below(it, &moment));
    moments.push(moment);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rematerialization, ScheduleKind};

    #[test]
    fn one_forward_one_backward_keeps_fewer_boundaries_on_later_stages() {
        let candidate = Candidate {
            num_stages: 3,
            num_micro_batches: 4,
            kind: ScheduleKind::OneForwardOneBackward,
            rematerialization: Rematerialization::ExceptLast,
        };
        let shape = Shape::of(&candidate, &[5; 4]).unwrap();
        let kept = |place: usize| {
            let moments = shape.kept[place].iter();
            let moments = moments.map(|it| (it.micro_batches[0], it.gradients));
            moments.collect::<Vec<_>>()
        };
        assert_eq!(kept(0), [((3, 0), 1), ((2, 1), 1), ((2, 0), 2)],);
        assert_eq!(kept(2), [((0, 1), 1), ((0, 0), 2)]);
        assert_eq!((shape.least_kept(), shape.least_together), (1, 1));
        assert_eq!(shape.recomputed[2], [false; 4]);
        assert_eq!(shape.recomputed[0], [true; 4]);
    }
}
