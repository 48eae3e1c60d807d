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

    /// The line below the rows, and the times below its ticks.
    ///
    /// Ticks stand at multiples of 1, 2 or 5 times a power of ten, at least ten cells apart.
    pub(super) fn lines(&self) -> (String, String) {
        let mut line = vec!['─'; self.num_cells];
        let mut times = String::new();
        let unit = Unit::of(self.seconds);
        let (step, decimals) = step(self.seconds / unit.seconds, self.num_cells / 10);
        let ticks = (0..).map(|tick| tick as f64 * step);
        let last = self.seconds / unit.seconds;
        for tick in ticks.take_while(|&tick| tick == 0.0 || tick < last * (1.0 - 1e-9)) {
            let cell = self.cell(self.start + tick * unit.seconds);
            line[cell] = '┬';
            let gap = cell.saturating_sub(times.len());
            times += &" ".repeat(gap);
            times += &format!("{tick:.decimals$}");
        }
        (line.into_iter().collect(), times + " " + unit.name)
    }
}

/// A duration in the unit that suits it, to three digits.
pub(super) fn duration(seconds: f64) -> String {
    let unit = Unit::of(seconds);
    let value = seconds / unit.seconds;
    let decimals = match value {
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", unit.name)
}

struct Unit {
    name: &'static str,
    seconds: f64,
}

impl Unit {
    fn of(seconds: f64) -> Self {
        let (name, seconds) = match seconds {
            0.0 | 1.0.. => ("s", 1.0),
            1e-3..1.0 => ("ms", 1e-3),
            _ => ("µs", 1e-6),
        };
        Self { name, seconds }
    }
}

/// The smallest round step that a length holds at most `num_steps` times, and its decimals.
fn step(length: f64, num_steps: usize) -> (f64, usize) {
    let least = length / num_steps as f64;
    if least <= 0.0 {
        return (1.0, 0);
    }
    let exponent = least.log10().floor() as i32;
    let power = 10f64.powi(exponent);
    let steps = [1.0, 2.0, 5.0].map(|factor| (factor * power, exponent));
    let next = (10.0 * power, exponent + 1);
    let mut round = steps
        .into_iter()
        .filter(|(step, _)| *step >= least * (1.0 - 1e-9));
    let (step, exponent) = round.next().unwrap_or(next);
    (step, (-exponent).max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.0, "0.00 s")]
    #[case(12.0, "12.0 s")]
    #[case(1234.5, "1234 s")]
    #[case(0.212, "212 ms")]
    #[case(0.0031415, "3.14 ms")]
    #[case(0.000025, "25.0 µs")]
    fn a_duration_has_a_unit_that_suits_it(#[case] seconds: f64, #[case] text: &str) {
        assert_eq!(duration(seconds), text);
    }

    #[rstest]
    #[case(12.0, 6, 2.0, 0)]
    #[case(212.0, 7, 50.0, 0)]
    #[case(10.0, 10, 1.0, 0)]
    #[case(9.1, 1, 10.0, 0)]
    #[case(1.0, 5, 0.2, 1)]
    #[case(0.1, 7, 0.02, 2)]
    fn steps_are_round(
        #[case] length: f64,
        #[case] num_steps: usize,
        #[case] expected: f64,
        #[case] decimals: usize,
    ) {
        let (step, found) = step(length, num_steps);
        assert!((step - expected).abs() < 1e-12);
        assert_eq!(found, decimals);
    }

    #[test]
    fn times_stand_below_their_ticks() {
        let axis = Axis {
            start: 5.0,
            seconds: 0.25,
            num_cells: 50,
        };
        let (line, times) = axis.lines();
        assert_eq!(line, "┬─────────┬─────────┬─────────┬─────────┬─────────");
        assert_eq!(times, "0         50        100       150       200 ms");
    }

    #[rstest]
    #[case(0.0, 0)]
    #[case(0.3, 3)]
    #[case(0.35, 3)]
    #[case(1.0, 9)]
    fn a_time_falls_into_one_cell(#[case] time: f64, #[case] cell: usize) {
        let axis = Axis {
            start: 0.0,
            seconds: 1.0,
            num_cells: 10,
        };
        assert_eq!(axis.cell(time), cell);
    }
}
