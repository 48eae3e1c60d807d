use super::candidate::Candidate;
use crate::{Op, Schedule, ScheduleError};

/// A schedule, and what it asks of each place along the model, whatever the layers there cost.
pub(super) struct Shape {
    pub(super) schedule: Schedule,
    /// For each place, which micro-batches are recomputed.
    pub(super) recomputed: Vec<Vec<bool>>,
    /// For each place, what is kept at once: those moments that no other exceeds in everything.
    pub(super) kept: Vec<Vec<Kept>>,
}

/// The numbers of boundaries and of activations that are kept at once: of the smaller micro-batches
/// and of the larger ones.
pub(super) type Kept = [(u64, u64); 2];

impl Shape {
    pub(super) fn of(candidate: &Candidate, sizes: &[usize]) -> Result<Self, ScheduleError> {
        let schedule = candidate.schedule()?;
        let num_places = candidate.num_places();
        let smallest = sizes.iter().min();
        let is_large: Vec<bool> = sizes.iter().map(|it| Some(it) != smallest).collect();
        let mut shape = Self {
            recomputed: vec![vec![false; candidate.num_micro_batches]; num_places],
            kept: vec![Vec::new(); num_places],
            schedule,
        };
        for stage in 0..candidate.num_stages {
            shape.follow(stage, &is_large);
        }
        Ok(shape)
    }

    fn follow(&mut self, stage: usize, is_large: &[bool]) {
        let layout = self.schedule.layout();
        for it in self.schedule.stage(stage) {
            if it.op() == Op::Recompute {
                let place = layout.place(stage, it.chunk());
                self.recomputed[place][it.micro_batch()] = true;
            }
        }
        let mut now: Vec<Kept> = vec![Kept::default(); layout.num_chunks];
        for it in self.schedule.stage(stage) {
            let place = layout.place(stage, it.chunk());
            let large = usize::from(is_large[it.micro_batch()]);
            let (boundaries, activations) = &mut now[it.chunk()][large];
            match it.op() {
                Op::Forward if self.recomputed[place][it.micro_batch()] => *boundaries += 1,
                Op::Forward => *activations += 1,
                Op::Recompute => {
                    *boundaries -= 1;
                    *activations += 1;
                }
                Op::Backward => *activations -= 1,
            }
            keep_greatest(&mut self.kept[place], now[it.chunk()]);
        }
    }
}

/// Adds a moment unless another keeps at least as much of everything, and drops those that it is
/// above.
fn keep_greatest(moments: &mut Vec<Kept>, moment: Kept) {
    let below = |a: &Kept, b: &Kept| {
        let mut sizes = a.iter().zip(b);
        sizes.all(|(a, b)| a.0 <= b.0 && a.1 <= b.1)
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
        assert_eq!(shape.kept[0], [[(3, 0), (0, 0)], [(2, 1), (0, 0)]]);
        assert_eq!(shape.kept[2], [[(0, 1), (0, 0)]]);
        assert_eq!(shape.recomputed[2], [false; 4]);
        assert_eq!(shape.recomputed[0], [true; 4]);
    }
}
