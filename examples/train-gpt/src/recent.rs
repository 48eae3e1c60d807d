//! The timelines of the last steps.

use burn_pipeline::Timeline;

/// How many of them are kept: the last one, and twice as many before it as it is predicted from.
const NUM_KEPT: usize = 1 + 2 * 20;

/// The timelines of the last steps, the last one at the end.
#[derive(Debug, Default)]
pub struct Recent {
    timelines: Vec<Timeline>,
}

impl Recent {
    /// Add the timeline of one more step.
    pub fn push(&mut self, timeline: Timeline) {
        if self.timelines.len() == NUM_KEPT {
            self.timelines.remove(0);
        }
        self.timelines.push(timeline);
    }

    /// The last step, and those that say what it should take: up to 20 before it, and never the
    /// earlier half, in which caches and allocators are still cold. `None` before the first step.
    pub fn split_last(&self) -> Option<(&Timeline, &[Timeline])> {
        let (last, before) = self.timelines.split_last()?;
        Some((last, &before[before.len() / 2..]))
    }

    /// The seconds of the median step: of the last one, and those that say what it should take.
    pub fn median(&self) -> Option<f64> {
        let (last, before) = self.split_last()?;
        let steps = before.iter().chain([last]);
        let mut seconds: Vec<f64> = steps.map(Timeline::makespan).collect();
        seconds.sort_by(f64::total_cmp);
        Some(seconds[seconds.len() / 2])
    }
}

#[cfg(test)]
mod tests {
    use burn_pipeline::{Instruction, Span};

    use super::*;

    /// Steps that last 1, 2, 3 .. seconds.
    fn recent(num_steps: usize) -> Recent {
        let mut recent = Recent::default();
        for step in 1..=num_steps {
            let span = Span::new(0, Instruction::forward(0), 0.0, step as f64);
            recent.push(Timeline::new(1, vec![span]));
        }
        recent
    }

    fn makespans(num_steps: usize) -> (f64, Vec<f64>) {
        let recent = recent(num_steps);
        let (last, before) = recent.split_last().unwrap();
        let before = before.iter().map(Timeline::makespan).collect();
        (last.makespan(), before)
    }

    #[test]
    fn the_last_step_is_predicted_from_the_later_half_before_it() {
        assert!(recent(0).split_last().is_none());
        assert_eq!(makespans(1), (1.0, vec![]));
        assert_eq!(makespans(2), (2.0, vec![1.0]));
        assert_eq!(makespans(6), (6.0, vec![3.0, 4.0, 5.0]));
    }

    #[test]
    fn of_many_steps_the_last_20_count() {
        let (last, before) = makespans(100);
        assert_eq!((last, before[0], before.len()), (100.0, 80.0, 20));
    }

    #[test]
    fn the_median_step_is_one_of_the_later_half() {
        assert_eq!(recent(0).median(), None);
        assert_eq!(recent(1).median(), Some(1.0));
        assert_eq!(recent(5).median(), Some(4.0));
    }
}
