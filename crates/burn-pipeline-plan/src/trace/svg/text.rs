use std::fmt;

/// A length in pixels, to two decimals at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Px(pub(crate) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rounded(self.0, 2))
    }
}

impl Px {
    /// The length that is written.
    pub(crate) fn written(self) -> f64 {
        (100.0 * self.0).round() / 100.0
    }
}

/// A number to one or more decimals, without the zeros at its end.
pub(crate) fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_string(),
        text => text.to_string(),
    }
}

/// About how wide a text is, in pixels, in any of the usual fonts without serifs.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    0.6 * size * text.chars().count() as f64
}

/// A text as XML holds it.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            it if it.is_control() => escaped.push(' '),
            it => escaped.push(it),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.0, "0")]
    #[case(-0.001, "0")]
    #[case(0.1 + 0.2, "0.3")]
    #[case(12.345678, "12.35")]
    #[case(100.0, "100")]
    fn a_length_has_no_digits_that_say_nothing(#[case] value: f64, #[case] text: &str) {
        assert_eq!(Px(value).to_string(), text);
    }

    #[test]
    fn a_text_cannot_end_its_element() {
        assert_eq!(escaped("a<b> & \"c\"\u{0}\n"), "a&lt;b&gt; &amp; \"c\"  ");
    }
}
