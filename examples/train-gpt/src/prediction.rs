//! What a step should have taken, beside what it took.

use std::fmt;

use burn_pipeline::{Costs, Memory, SimulateError, StageTime, Timeline, simulate};

use crate::Error;
use crate::recent::Recent;

/// A measured step, and the same step as it is simulated at the costs of the steps before it.
///
/// Moving data is part of the instruction that moves it in measured costs, so the prediction
/// counts it as computing.
#[derive(Debug, Clone)]
pub struct Prediction {
    predicted: Timeline,
    measured: Timeline,
    costs: Costs,
    num_steps: usize,
}

/// A part of a stage's time, and what it is called.
type Part = (&'static str, fn(&StageTime) -> f64);

const PARTS: [Part; 5] = [
    ("computing", |it| it.computing),
    ("moving", |it| it.moving),
    ("waiting for a boundary", |it| it.waiting_for_boundary),
    ("waiting for a gradient", |it| it.waiting_for_gradient),
    ("idle", |it| it.idle),
];

impl Prediction {
    /// Make sure that a training of `num_steps` steps has one to predict and one to predict it
    /// from.
    ///
    /// # Errors
    ///
    /// When it has not.
    pub fn check(num_steps: usize) -> Result<(), Error> {
        match num_steps {
            0 | 1 => Err(Error::Options(format!(
                "--trace predicts the last step from those before it, but this run takes {num_steps}: raise --steps to take at least 2"
            ))),
            _ => Ok(()),
        }
    }

    /// The last step, predicted from those before it. `bytes` are those of the boundary that each
    /// part of the model receives and of the activations that it keeps, for one micro-batch.
    ///
    /// # Errors
    ///
    /// When there was no step before it.
    pub fn of(recent: &Recent, bytes: impl Fn(usize) -> (u64, u64)) -> Result<Self, Error> {
        let Some((measured, before)) = recent.split_last() else {
            return Err(Error::Options("no step has been taken".to_string()));
        };
        let costs = Costs::measured(before).map_err(SimulateError::from)?;
        let costs = costs.with_bytes(bytes);
        Ok(Self {
            predicted: simulate(&measured.schedule(), &costs)?.timeline,
            measured: measured.clone(),
            costs,
            num_steps: before.len(),
        })
    }

    /// The two timelines under their names, the predicted one first.
    pub fn timelines(&self) -> [(&'static str, &Timeline); 2] {
        [("predicted", &self.predicted), ("measured", &self.measured)]
    }

    /// About what the stages keep over time in each of them.
    pub fn memories(&self) -> [Memory; 2] {
        let timelines = self.timelines();
        timelines.map(|(_, timeline)| self.costs.memory(timeline))
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [predicted, measured] = self.timelines().map(|(_, it)| it.makespan());
        writeln!(
            f,
            "the last step: predicted {:.1} ms from {} before it, measured {:.1} ms ({:+.1} %)",
            1e3 * predicted,
            self.num_steps,
            1e3 * measured,
            100.0 * (measured / predicted - 1.0)
        )?;
        write!(f, "{:20}", "")?;
        for (name, _) in PARTS {
            write!(f, "{name:>width$}", width = width(name))?;
        }
        for stage in 0..self.measured.num_stages() {
            for (name, timeline) in self.timelines() {
                write!(f, "\n{:9}{name:11}", format!("stage {stage}"))?;
                draw_shares(f, &timeline.stage_time(stage), timeline.makespan())?;
            }
        }
        Ok(())
    }
}

fn draw_shares(f: &mut fmt::Formatter<'_>, time: &StageTime, makespan: f64) -> fmt::Result {
    for (name, part) in PARTS {
        let share = 100.0 * part(time) / makespan;
        write!(
            f,
            "{:>width$}",
            format!("{share:.1} %"),
            width = width(name)
        )?;
    }
    Ok(())
}

/// How wide the column of a part is: it has room for its name and for `100.0 %`.
fn width(name: &str) -> usize {
    2 + name.len().max(7)
}

#[cfg(test)]
mod tests {
    use burn_pipeline::{Instruction, Span};

    use super::*;

    /// A step of two stages and one micro-batch, every instruction `seconds` long.
    fn step(seconds: f64) -> Timeline {
        let (forward, backward) = (Instruction::forward(0), Instruction::backward(0));
        let order = [(0, forward), (1, forward), (1, backward), (0, backward)];
        let spans = order.into_iter().enumerate().map(|(slot, (stage, it))| {
            Span::new(
                stage,
                it,
                slot as f64 * seconds,
                (slot + 1) as f64 * seconds,
            )
        });
        Timeline::new(2, spans.collect())
    }

    #[test]
    fn a_step_is_compared_with_what_those_before_it_took() {
        let mut recent = Recent::default();
        for seconds in [9.0, 0.002, 0.003] {
            recent.push(step(seconds));
        }
        let shown = Prediction::of(&recent, |_| (1, 2)).unwrap().to_string();
        let expected = "\
the last step: predicted 8.0 ms from 1 before it, measured 12.0 ms (+50.0 %)
                      computing   moving  waiting for a boundary  waiting for a gradient     idle
stage 0  predicted       50.0 %    0.0 %                   0.0 %                  50.0 %    0.0 %
stage 0  measured        50.0 %    0.0 %                   0.0 %                  50.0 %    0.0 %
stage 1  predicted       50.0 %    0.0 %                  25.0 %                   0.0 %   25.0 %
stage 1  measured        50.0 %    0.0 %                  25.0 %                   0.0 %   25.0 %";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_single_step_is_not_predicted_from_itself() {
        let mut recent = Recent::default();
        recent.push(step(1.0));
        assert!(Prediction::of(&recent, |_| (1, 2)).is_err());
        let error = Prediction::check(1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--trace predicts the last step from those before it, but this run takes 1: raise --steps to take at least 2"
        );
        assert!(Prediction::check(2).is_ok());
    }
}
