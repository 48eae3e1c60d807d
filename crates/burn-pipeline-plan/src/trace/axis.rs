use super::ticks::Ticks;
use crate::Timeline;

/// The columns of a drawing as time: `num_cells` cells that share `seconds` from `start` on.
pub(super) struct Axis {
    pub(super) start: f64,
    pub(super) seconds: f64,
    pub(super) num_cells: usize,
}

impl Axis {
    /// When a cell begins, in seconds since the start of the step.
    pub(super) fn time(&self, cell: usize) -> f64 {
        self.start + self.seconds * cell as f64 / self.num_cells as f64
    }

    /// How long a cell lasts.
    pub(super) fn cell_seconds(&self) -> f64 {
        self.seconds / self.num_cells as f64
    }

    /// The cell that a time falls into.
    pub(super) fn cell(&self, time: f64) -> usize {
        let share = (time - self.start) / self.seconds;
        let cell = (share * self.num_cells as f64 + 1e-9).floor();
        (cell as usize).min(self.num_cells - 1)
    }

    /// The cells that a timeline takes at the same scale, from its own start on.
    pub(super) fn of(&self, timeline: &Timeline) -> Self {
        let (start, makespan) = (timeline.start(), timeline.makespan());
        if makespan >= self.seconds {
            return Self { start, ..*self };
        }
        let cells = (makespan / self.cell_seconds() - 1e-9).ceil();
        let num_cells = (cells as usize).clamp(1, self.num_cells);
        Self {
            start,
            seconds: num_cells as f64 * self.cell_seconds(),
            num_cells,
        }
    }

    /// Ticks that are at least ten cells apart.
    pub(super) fn ticks(&self) -> Ticks {
        Ticks::new(self.seconds, self.num_cells / 10)
    }

    /// The line below the rows.
    pub(super) fn line(&self, ticks: &Ticks) -> String {
        let mut line = vec!['─'; self.num_cells];
        for (cell, _) in self.marks(ticks) {
            line[cell] = '┬';
        }
        line.into_iter().collect()
    }

    /// The times below the ticks.
    pub(super) fn times(&self, ticks: &Ticks) -> String {
        let mut times = String::new();
        for (cell, time) in self.marks(ticks) {
            let gap = cell.saturating_sub(times.len());
            times += &" ".repeat(gap);
            times += &time;
        }
        times + " " + ticks.unit.name
    }

    fn marks(&self, ticks: &Ticks) -> impl Iterator<Item = (usize, String)> {
        let within = |time: f64| time == 0.0 || time < self.seconds * (1.0 - 1e-9);
        let marks = ticks.iter().filter(move |&(time, _)| within(time));
        marks.map(|(time, text)| (self.cell(self.start + time), text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instruction, Span};
    use rstest::rstest;

    const AXIS: Axis = Axis {
        start: 0.0,
        seconds: 1.0,
        num_cells: 10,
    };

    #[test]
    fn times_stand_below_their_ticks() {
        let axis = Axis {
            start: 5.0,
            seconds: 0.25,
            num_cells: 50,
        };
        let ticks = axis.ticks();
        assert_eq!(
            axis.line(&ticks),
            "┬─────────┬─────────┬─────────┬─────────┬─────────"
        );
        assert_eq!(
            axis.times(&ticks),
            "0         50        100       150       200 ms"
        );
    }

    #[rstest]
    #[case(0.0, 0)]
    #[case(0.3, 3)]
    #[case(0.35, 3)]
    #[case(1.0, 9)]
    fn a_time_falls_into_one_cell(#[case] time: f64, #[case] cell: usize) {
        assert_eq!(AXIS.cell(time), cell);
    }

    #[rstest]
    #[case(0.0, 1)]
    #[case(0.3, 3)]
    #[case(0.35, 4)]
    #[case(1.0, 10)]
    fn a_timeline_takes_cells_of_the_same_length(#[case] seconds: f64, #[case] num_cells: usize) {
        let span = Span::new(0, Instruction::forward(0), 7.0, 7.0 + seconds);
        let axis = AXIS.of(&Timeline::new(1, vec![span]));
        assert_eq!((axis.start, axis.num_cells), (7.0, num_cells));
        assert!((axis.cell_seconds() - 0.1).abs() < 1e-12);
    }
}
