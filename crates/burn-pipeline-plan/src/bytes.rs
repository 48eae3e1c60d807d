//! How numbers of bytes are written.

/// A number of bytes in the unit that suits it, to three digits.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        // What would be written as 1024 of a unit is 1 of the next.
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    let decimals = match value {
        0.0..9.995 => 2,
        9.995..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0 bytes")]
    #[case(1023, "1023 bytes")]
    #[case(1024, "1.00 KiB")]
    #[case(12 << 20, "12.0 MiB")]
    #[case((1 << 20) - 1, "1.00 MiB")]
    #[case(u64::MAX, "16.0 EiB")]
    fn bytes_have_a_unit_that_suits_them(#[case] number: u64, #[case] text: &str) {
        assert_eq!(bytes(number), text);
    }
}
