use std::fmt;

use super::{Measurement, Profile, size::size};
use crate::trace::{Px, duration, escaped, text_width};

/// A bar chart of a profile as an SVG file: where time and memory go, layer by layer.
///
/// On the left, the time of each layer's recorded forward pass, and of its backward pass behind it;
/// on the right, the bytes of its parameters, and behind them what it keeps for its backward pass.
/// All are for the largest number of samples that was measured. Colours differ in grey print. In a
/// browser, a bar tells its numbers under the pointer. Shared parameters and the loss are not
/// drawn.
///
/// ```
/// use burn_pipeline_plan::{Profile, ProfileChart};
///
/// let table = "layer,forward,backward\nembed,0.001,0.002\nhead,0.010,0.020";
/// let profile = Profile::from_table(table, "a card", 256.0)?;
/// let chart = ProfileChart::new(&profile).to_string();
/// assert!(chart.contains("<title>head: 10.0 ms forward, 20.0 ms backward</title>"));
/// # Ok::<(), burn_pipeline_plan::ProfileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProfileChart<'a> {
    profile: &'a Profile,
}

const WIDTH: f64 = 640.0;
const MARGIN: f64 = 8.0;
const FONT: f64 = 14.0;
const ROW: f64 = 20.0;
const BAR: f64 = 16.0;
const TITLE: f64 = 24.0;
/// Forward and parameters, backward and activations: light and dark in grey print too.
const LIGHT: &str = "#b8dcf4";
const DARK: &str = "#1a9274";

/// One half of the chart: two bars behind each other for each layer.
struct Panel {
    left: f64,
    title: String,
    bars: Vec<[f64; 2]>,
    titles: Vec<String>,
}

impl<'a> ProfileChart<'a> {
    /// A chart of a profile.
    pub fn new(profile: &'a Profile) -> Self {
        Self { profile }
    }

    fn times(&self, left: f64) -> Panel {
        let layers = self.layers();
        let bars = layers
            .iter()
            .map(|(_, _, it)| [it.recorded_forward, it.backward]);
        let bars: Vec<[f64; 2]> = bars.collect();
        let all: f64 = bars.iter().flatten().sum();
        Panel {
            left,
            title: format!("{} of forward and backward", duration(all)),
            bars,
            titles: layers
                .iter()
                .map(|(name, _, it)| {
                    let (forward, backward) =
                        (duration(it.recorded_forward), duration(it.backward));
                    format!("{name}: {forward} forward, {backward} backward")
                })
                .collect(),
        }
    }

    fn bytes(&self, left: f64) -> Panel {
        let layers = self.layers();
        let bytes = layers
            .iter()
            .map(|(_, parameters, it)| (*parameters, it.activation_bytes));
        let all: u64 = bytes
            .clone()
            .map(|(parameters, kept)| parameters + kept)
            .sum();
        Panel {
            left,
            title: format!("{} of parameters and kept", size(all)),
            bars: bytes.map(|(a, b)| [a as f64, b as f64]).collect(),
            titles: layers
                .iter()
                .map(|(name, parameters, it)| {
                    let (parameters, kept) = (size(*parameters), size(it.activation_bytes));
                    format!("{name}: {parameters} of parameters, {kept} kept")
                })
                .collect(),
        }
    }

    fn layers(&self) -> Vec<(&str, u64, Measurement)> {
        let layers = self.profile.layers.iter();
        let most = |it: &[Measurement]| it.last().copied().unwrap_or_default();
        layers
            .map(|it| (it.name.as_str(), it.parameter_bytes, most(&it.measurements)))
            .collect()
    }
}

impl Panel {
    fn draw(&self, f: &mut fmt::Formatter<'_>, width: f64) -> fmt::Result {
        let most = self.bars.iter().map(|[a, b]| a + b).fold(0.0, f64::max);
        let scale = match most > 0.0 {
            true => width / most,
            false => 0.0,
        };
        writeln!(
            f,
            "<text x=\"{}\" y=\"{}\">{}</text>",
            Px(self.left),
            Px(MARGIN + FONT),
            escaped(&self.title)
        )?;
        for (row, (bars, title)) in self.bars.iter().zip(&self.titles).enumerate() {
            let top = Px(MARGIN + TITLE + ROW * row as f64);
            writeln!(f, "<g><title>{}</title>", escaped(title))?;
            let mut left = self.left;
            for (length, colour) in bars.iter().zip([LIGHT, DARK]) {
                let width = scale * length;
                writeln!(
                    f,
                    "<rect x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{BAR}\" fill=\"{colour}\"/>",
                    Px(left),
                    Px(width)
                )?;
                left += width;
            }
            writeln!(f, "</g>")?;
        }
        Ok(())
    }
}

impl fmt::Display for ProfileChart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.layers();
        let names = layers.iter().map(|(name, _, _)| text_width(name, FONT));
        let names = names.fold(0.0, f64::max).min(WIDTH / 3.0);
        let panel = (WIDTH - 4.0 * MARGIN - names) / 2.0;
        let height = Px(2.0 * MARGIN + TITLE + ROW * layers.len() as f64);
        let width = Px(WIDTH);
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"{FONT}\" \
             fill=\"#222\">"
        )?;
        writeln!(
            f,
            "<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>"
        )?;
        for (row, (name, _, _)) in layers.iter().enumerate() {
            let y = Px(MARGIN + TITLE + ROW * row as f64 + BAR / 2.0 + 0.35 * FONT);
            let x = Px(MARGIN);
            writeln!(f, "<text x=\"{x}\" y=\"{y}\">{}</text>", escaped(name))?;
        }
        let left = 2.0 * MARGIN + names;
        self.times(left).draw(f, panel)?;
        self.bytes(left + panel + MARGIN).draw(f, panel)?;
        write!(f, "</svg>")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn toy() -> Profile {
        let table = "\
layer,    num_samples, forward, recorded_forward, backward, parameter_bytes, activation_bytes, output_bytes
embed,              8,   0.001,            0.002,    0.001,           65536,            16384,        16384
blocks.0,           8,   0.010,            0.011,    0.020,          131072,           262144,        16384
head <a>,           8,   0.005,            0.005,    0.009,               0,             4096,         1024";
        Profile::from_table(table, "toy", 64.0).unwrap()
    }

    #[test]
    fn a_chart_has_two_bars_for_each_layer_in_each_half() {
        insta::assert_snapshot!(ProfileChart::new(&toy()));
    }

    #[test]
    fn nothing_measured_is_drawn_as_nothing() {
        let table = "layer,forward,backward\na,0,0";
        let profile = Profile::from_table(table, "toy", 4.0).unwrap();
        let chart = ProfileChart::new(&profile).to_string();
        assert!(!chart.contains("NaN"), "{chart}");
    }
}
