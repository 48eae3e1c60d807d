use serde::{Deserialize, Serialize};

use super::Timeline;
use crate::Op;

/// Where the time of one stage went, in seconds. The parts add up to the makespan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Running layers, forward, again or backward.
    pub computing: f64,
    /// Taking boundaries and gradients to the stage's device, and handing them over.
    pub moving: f64,
    /// Waiting for the boundary of the next Forward.
    pub waiting_for_boundary: f64,
    /// Waiting for the gradient of the next Backward.
    pub waiting_for_gradient: f64,
    /// All else: after the last instruction, mostly.
    pub idle: f64,
}

impl Timeline {
    /// Where the time of a stage went.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn stage_time(&self, stage: usize) -> StageTime {
        let mut time = StageTime::default();
        let mut until = self.start();
        for span in self.stage(stage) {
            let gap = (span.start - until).max(0.0);
            match span.instruction.op() {
                Op::Forward => time.waiting_for_boundary += gap,
                Op::Recompute => time.idle += gap,
                Op::Backward => time.waiting_for_gradient += gap,
            }
            time.moving += f64::from(span.moving);
            until = until.max(span.end);
        }
        let busy = self.busy(stage);
        time.moving = time.moving.min(busy);
        time.computing = busy - time.moving;
        time.idle += (self.start() + self.makespan() - until).max(0.0);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instruction, Span};

    #[test]
    fn the_parts_of_a_stage_s_time_add_up_to_the_makespan() {
        let moves = |span, moving| Span { moving, ..span };
        let timeline = Timeline::new(
            2,
            vec![
                Span::new(0, Instruction::forward(0), 1.0, 3.0),
                Span::new(0, Instruction::backward(0), 7.0, 11.0),
                moves(Span::new(1, Instruction::forward(0), 4.0, 5.0), 0.5),
                moves(Span::new(1, Instruction::backward(0), 5.0, 6.0), 0.25),
            ],
        );
        let first = StageTime {
            computing: 6.0,
            waiting_for_gradient: 4.0,
            ..StageTime::default()
        };
        assert_eq!(timeline.stage_time(0), first);
        let second = StageTime {
            computing: 1.25,
            moving: 0.75,
            waiting_for_boundary: 3.0,
            waiting_for_gradient: 0.0,
            idle: 5.0,
        };
        assert_eq!(timeline.stage_time(1), second);
    }
}
