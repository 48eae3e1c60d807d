use super::unit::Unit;

/// Round times along an axis that begins at zero, in the unit that suits its length.
pub(super) struct Ticks {
    pub(super) unit: Unit,
    step: f64,
    decimals: usize,
    num_ticks: usize,
}

impl Ticks {
    /// Ticks at multiples of 1, 2 or 5 times a power of ten, at most `num_steps` steps of them.
    pub(super) fn new(seconds: f64, num_steps: usize) -> Self {
        let unit = Unit::of(seconds);
        let length = seconds / unit.seconds;
        let (step, decimals) = step(length, num_steps);
        Self {
            unit,
            step,
            decimals,
            num_ticks: (length / step + 1e-9) as usize + 1,
        }
    }

    /// The time of each tick in seconds, and in the unit, as it is written.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, String)> {
        (0..self.num_ticks).map(|tick| {
            let value = tick as f64 * self.step;
            let decimals = self.decimals;
            (value * self.unit.seconds, format!("{value:.decimals$}"))
        })
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

    #[rstest]
    #[case(0.0, "0", "s")]
    #[case(0.3, "0 100 200 300", "ms")]
    #[case(0.299, "0 100 200", "ms")]
    #[case(1.2, "0.0 0.5 1.0", "s")]
    fn ticks_end_where_the_axis_does(
        #[case] seconds: f64,
        #[case] texts: &str,
        #[case] unit: &str,
    ) {
        let ticks = Ticks::new(seconds, 3);
        let found: Vec<String> = ticks.iter().map(|(_, text)| text).collect();
        assert_eq!((found.join(" ").as_str(), ticks.unit.name), (texts, unit));
        assert!(ticks.iter().all(|(time, _)| time <= seconds + 1e-9));
    }
}
