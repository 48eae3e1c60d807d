use std::fmt;

use super::{
    axis::Axis,
    operations::OPERATIONS,
    panel::{Panel, Panels, label},
    row::{fill, row},
    ticks::Ticks,
};
use crate::Timeline;

/// Timelines drawn for a terminal: one row per stage, time from left to right.
///
/// Each cell shows what fills most of its time: a shade for Forward, Recompute and Backward, a
/// blank for the bubble. An instruction is named where its cells have room for the name. Times
/// count from the first start.
///
/// ```
/// use burn_pipeline_plan::{Gantt, ScheduleKind, Timeline};
///
/// let schedule = ScheduleKind::GPipe.schedule(2, 3)?;
/// let timeline = Timeline::of_slots(&schedule)?;
/// assert_eq!(
///     Gantt::new(&timeline, 49).to_string(),
///     "\
/// stage 0 │F0░F1░F2░      B2▓B1▓B0▓│ bubble  25.0 %
/// stage 1 │   F0░F1░F2░B2▓B1▓B0▓   │ bubble  25.0 %
/// all     └┬──────────────┬────────┘ bubble  25.0 %
///          0              5 s
/// F░ forward   R▒ recompute   B▓ backward   makespan 8.00 s"
/// );
/// # Ok::<(), burn_pipeline_plan::ScheduleError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gantt<'a> {
    panels: Panels<'a>,
    width: usize,
}

impl<'a> Gantt<'a> {
    /// A drawing of a timeline whose rows are `width` columns wide.
    ///
    /// Labels and bubbles take about 25 columns of it. The time gets the rest, but never fewer
    /// than 16.
    pub fn new(timeline: &'a Timeline, width: usize) -> Self {
        Self {
            panels: Panels::one(timeline),
            width,
        }
    }

    /// A drawing of timelines one above the other, on one time axis, each under its name and with
    /// its own bubbles. A makespan is compared with that of the first.
    ///
    /// ```
    /// use burn_pipeline_plan::{Gantt, ScheduleKind, Timeline};
    ///
    /// let timeline = |num_micro_batches| {
    ///     Timeline::of_slots(&ScheduleKind::GPipe.schedule(2, num_micro_batches)?)
    /// };
    /// let (three, two) = (timeline(3)?, timeline(2)?);
    /// assert_eq!(
    ///     Gantt::of(&[("three", &three), ("two", &two)], 49).to_string(),
    ///     "\
    /// three    makespan 8.00 s
    /// stage 0 │F0░F1░F2░      B2▓B1▓B0▓│ bubble  25.0 %
    /// stage 1 │   F0░F1░F2░B2▓B1▓B0▓   │ bubble  25.0 %
    /// all     └┬──────────────┬────────┘ bubble  25.0 %
    /// two      makespan 6.00 s, 25.0 % shorter than three
    /// stage 0 │F0░F1░      B1▓B0▓│       bubble  33.3 %
    /// stage 1 │   F0░F1░B1▓B0▓   │       bubble  33.3 %
    /// all     └┬──────────────┬──┘       bubble  33.3 %
    ///          0              5 s
    /// F░ forward   R▒ recompute   B▓ backward"
    /// );
    /// # Ok::<(), burn_pipeline_plan::ScheduleError>(())
    /// ```
    pub fn of(timelines: &[(&'a str, &'a Timeline)], width: usize) -> Self {
        Self {
            panels: Panels::of(timelines),
            width,
        }
    }

    fn label_width(&self) -> usize {
        label(self.panels.num_stages().saturating_sub(1)).len()
    }

    fn axis(&self) -> Axis {
        let frame = self.label_width() + " ││".chars().count() + bubble(0.0).len();
        Axis {
            start: 0.0,
            seconds: self.panels.seconds(),
            num_cells: self.width.saturating_sub(frame).max(16),
        }
    }

    fn draw(
        &self,
        f: &mut fmt::Formatter<'_>,
        panel: Panel,
        axis: &Axis,
        ticks: &Ticks,
    ) -> fmt::Result {
        let timeline = panel.timeline;
        let label_width = self.label_width();
        let cells = axis.of(timeline);
        let rest = " ".repeat(axis.num_cells - cells.num_cells);
        if let Some(name) = panel.name {
            writeln!(f, "{name:label_width$}  {}", panel.makespan())?;
        }
        for stage in 0..timeline.num_stages() {
            let row = row(timeline.stage(stage).copied(), &cells);
            let bubble = bubble(timeline.bubble(stage));
            writeln!(f, "{:label_width$} │{row}│{rest}{bubble}", label(stage))?;
        }
        let line = cells.line(ticks);
        let bubble = bubble(timeline.bubble_share());
        writeln!(f, "{:label_width$} └{line}┘{rest}{bubble}", "all")
    }
}

impl fmt::Display for Gantt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axis = self.axis();
        let ticks = axis.ticks();
        for panel in self.panels.iter() {
            self.draw(f, panel, &axis, &ticks)?;
        }
        writeln!(f, "{:1$}  {2}", "", self.label_width(), axis.times(&ticks))?;
        let operations = OPERATIONS.map(|(op, name)| format!("{}{} {name}", op.letter(), fill(op)));
        write!(f, "{}", operations.join("   "))?;
        let unnamed = self.panels.iter().find(|it| it.name.is_none());
        unnamed.map_or(Ok(()), |it| write!(f, "   {}", it.makespan()))
    }
}

fn bubble(share: f64) -> String {
    format!(" bubble {:5.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instruction, Rematerialization, ScheduleKind, Span, rematerialize};

    fn gpipe(num_stages: usize, num_micro_batches: usize, mode: Rematerialization) -> Timeline {
        let schedule = ScheduleKind::GPipe.schedule(num_stages, num_micro_batches);
        Timeline::of_slots(&rematerialize(schedule.unwrap(), mode)).unwrap()
    }

    #[test]
    fn gpipe_with_rematerialization_is_drawn_with_its_bubble() {
        let timeline = gpipe(4, 4, Rematerialization::ExceptLast);
        insta::assert_snapshot!(Gantt::new(&timeline, 100), @r"
        stage 0 │F0░░F1░░░F2░░F3░░░                          B3▓▓▓R2▒▒B2▓▓R1▒▒▒B1▓▓R0▒▒▒B0▓▓│ bubble  35.3 %
        stage 1 │    F0░░░F1░░F2░░░F3░░                  B3▓▓R2▒▒▒B2▓▓R1▒▒B1▓▓▓R0▒▒B0▓▓▓    │ bubble  35.3 %
        stage 2 │         F0░░F1░░░F2░░F3░░         B3▓▓▓R2▒▒B2▓▓▓R1▒▒B1▓▓R0▒▒▒B0▓▓         │ bubble  35.3 %
        stage 3 │             F0░░░F1░░F2░░F3░░░B3▓▓R2▒▒▒B2▓▓R1▒▒▒B1▓▓R0▒▒B0▓▓▓             │ bubble  35.3 %
        all     └┬─────────────────────┬─────────────────────┬─────────────────────┬────────┘ bubble  35.3 %
                 0                     5                     10                    15 s
        F░ forward   R▒ recompute   B▓ backward   makespan 17.0 s
        ");
    }

    #[test]
    fn instructions_too_narrow_for_their_names_are_shades() {
        let timeline = gpipe(4, 16, Rematerialization::Never);
        insta::assert_snapshot!(Gantt::new(&timeline, 80), @r"
        stage 0 │░░░░░░░░░░░░░░░░░░░░░░░         ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓│ bubble  15.8 %
        stage 1 │ ░░░░░░░░░░░░░░░░░░░░░░░░     ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓ │ bubble  15.8 %
        stage 2 │   ░░░░░░░░░░░░░░░░░░░░░░░   ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓   │ bubble  15.8 %
        stage 3 │    ░░░░░░░░░░░░░░░░░░░░░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓    │ bubble  15.8 %
        all     └┬─────────────┬─────────────┬──────────────┬───────────┘ bubble  15.8 %
                 0             10            20             30 s
        F░ forward   R▒ recompute   B▓ backward   makespan 38.0 s
        ");
    }

    #[test]
    fn a_measured_timeline_is_drawn_to_scale() {
        let span = |stage, instruction, start: f64, end: f64| {
            Span::new(stage, instruction, start / 1000.0, end / 1000.0)
        };
        let timeline = Timeline::new(
            2,
            vec![
                span(0, Instruction::forward(0), 3.0, 24.5),
                span(0, Instruction::forward(1), 24.7, 45.9),
                span(0, Instruction::backward(1), 112.0, 155.3),
                span(0, Instruction::recompute(0), 155.3, 177.0),
                span(0, Instruction::backward(0), 177.1, 219.8),
                span(1, Instruction::forward(0), 25.8, 49.2),
                span(1, Instruction::forward(1), 49.4, 72.0),
                span(1, Instruction::backward(1), 72.1, 110.9),
                span(1, Instruction::recompute(0), 111.0, 133.2),
                span(1, Instruction::backward(0), 133.2, 170.6),
            ],
        );
        insta::assert_snapshot!(Gantt::new(&timeline, 100), @r"
        stage 0 │F0░░░░░F1░░░░░░                       B1▓▓▓▓▓▓▓▓▓▓▓▓▓R0▒▒▒▒▒B0▓▓▓▓▓▓▓▓▓▓▓▓▓│ bubble  30.6 %
        stage 1 │        F0░░░░░░F1░░░░░░B1▓▓▓▓▓▓▓▓▓▓▓R0▒▒▒▒▒▒B0▓▓▓▓▓▓▓▓▓▓▓                 │ bubble  33.4 %
        all     └┬────────────────┬────────────────┬────────────────┬─────────────────┬─────┘ bubble  32.0 %
                 0                50               100              150               200 ms
        F░ forward   R▒ recompute   B▓ backward   makespan 217 ms
        ");
    }

    #[test]
    fn timelines_one_above_the_other_share_a_scale() {
        let schedule = ScheduleKind::GPipe.schedule(2, 2).unwrap();
        let later = |it: &Span| Span {
            start: 0.5 + 1.1 * it.start,
            end: 0.5 + 1.1 * it.end,
            ..*it
        };
        let simulated = Timeline::of_slots(&schedule).unwrap();
        let measured = Timeline::new(2, simulated.spans().map(later).collect());
        let timelines = [("simulated", &simulated), ("measured", &measured)];
        insta::assert_snapshot!(Gantt::of(&timelines, 70), @r"
        simulated  makespan 6.00 s
        stage 0 │F0░░░░░F1░░░░░             B1▓▓▓▓▓B0▓▓▓▓▓│     bubble  33.3 %
        stage 1 │       F0░░░░░F1░░░░B1▓▓▓▓▓B0▓▓▓▓▓       │     bubble  33.3 %
        all     └┬────────────┬─────────────┬────────────┬┘     bubble  33.3 %
        measured  makespan 6.60 s, 10.0 % longer than simulated
        stage 0 │F0░░░░░░F1░░░░░               B1▓▓▓▓▓▓B0▓▓▓▓▓│ bubble  33.3 %
        stage 1 │        F0░░░░░F1░░░░░░B1▓▓▓▓▓B0▓▓▓▓▓        │ bubble  33.3 %
        all     └┬────────────┬─────────────┬────────────┬────┘ bubble  33.3 %
                 0            2             4            6 s
        F░ forward   R▒ recompute   B▓ backward
        ");
    }

    #[test]
    fn an_empty_timeline_is_an_empty_frame() {
        let timeline = Timeline::new(2, vec![]);
        insta::assert_snapshot!(Gantt::new(&timeline, 50), @r"
        stage 0 │                         │ bubble   0.0 %
        stage 1 │                         │ bubble   0.0 %
        all     └┬────────────────────────┘ bubble   0.0 %
                 0 s
        F░ forward   R▒ recompute   B▓ backward   makespan 0.00 s
        ");
    }

    #[test]
    fn a_terminal_too_narrow_still_gets_sixteen_cells() {
        let timeline = gpipe(2, 2, Rematerialization::Never);
        insta::assert_snapshot!(Gantt::new(&timeline, 0), @r"
        stage 0 │F0░F1      B1B0▓│ bubble  33.3 %
        stage 1 │   F0F1░B1▓B0   │ bubble  33.3 %
        all     └┬───────────────┘ bubble  33.3 %
                 0 s
        F░ forward   R▒ recompute   B▓ backward   makespan 6.00 s
        ");
    }

    #[test]
    fn rows_are_as_wide_as_asked() {
        let timeline = gpipe(12, 20, Rematerialization::Always);
        for width in [60, 99, 200] {
            let drawing = Gantt::new(&timeline, width).to_string();
            for line in drawing.lines().take(13) {
                assert_eq!(line.chars().count(), width);
            }
        }
    }
}
