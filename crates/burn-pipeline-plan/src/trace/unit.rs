/// The unit in which a duration is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    pub(super) seconds: f64,
}

impl Unit {
    /// The unit that suits a duration.
    pub(super) fn of(seconds: f64) -> Self {
        let (name, seconds) = match seconds {
            0.0 | 1.0.. => ("s", 1.0),
            1e-3..1.0 => ("ms", 1e-3),
            _ => ("µs", 1e-6),
        };
        Self { name, seconds }
    }
}

/// A duration in the unit that suits it, to three digits.
pub(crate) fn duration(seconds: f64) -> String {
    let unit = Unit::of(seconds);
    let value = seconds / unit.seconds;
    let decimals = match value {
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", unit.name)
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
}
