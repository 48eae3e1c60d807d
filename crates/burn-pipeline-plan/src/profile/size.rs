/// A number of bytes in the unit that suits it, to three digits.
pub(super) fn size(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= KIB && unit + 1 < units.len() {
        value /= KIB;
        unit += 1;
    }
    let decimals = match (unit, value) {
        (0, _) => 0,
        (_, 0.0..10.0) => 2,
        (_, 10.0..100.0) => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0 B")]
    #[case(1023, "1023 B")]
    #[case(1536, "1.50 KiB")]
    #[case(50 << 20, "50.0 MiB")]
    #[case(1 << 50, "1024 TiB")]
    fn a_size_has_a_unit_that_suits_it(#[case] bytes: u64, #[case] text: &str) {
        assert_eq!(size(bytes), text);
    }
}
