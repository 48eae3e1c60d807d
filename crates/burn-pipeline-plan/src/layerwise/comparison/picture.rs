use std::fmt;

use super::{Comparison, bytes::size};
use crate::trace::{Px, duration, escaped, text_width};

const WIDTH: f64 = 640.0;
const MARGIN: f64 = 8.0;
const FONT: f64 = 12.0;
const TITLE: f64 = 24.0;
const BAR: f64 = 18.0;
const ROW: f64 = 14.0;
const ROW_FONT: f64 = 10.0;
/// Sample, channel, height and width: they differ in grey print.
const COLOURS: [&str; 4] = ["#86c2ea", "#1a9274", "#ec9a2a", "#084c3c"];
const IDLE: &str = "#f0f0f0";

/// A [`Comparison`] drawn as an SVG file, 640 pixels wide.
///
/// On top are bars of the step time and of the bytes moved of each strategy. Below, each layer has
/// a row with a bar: of all the ways to split it, which are used, as sections as long as the
/// logarithm of the degree along each axis. Devices that are not used are what is left of the bar.
#[derive(Clone, Debug)]
pub struct ComparisonSvg<'a> {
    comparison: &'a Comparison,
}

impl<'a> ComparisonSvg<'a> {
    pub(super) fn new(comparison: &'a Comparison) -> Self {
        Self { comparison }
    }

    /// Bars of one number of each strategy; returns where they end.
    fn draw_bars(
        &self,
        f: &mut fmt::Formatter<'_>,
        top: f64,
        title: &str,
        values: &[(f64, String)],
    ) -> Result<f64, fmt::Error> {
        text(f, MARGIN, top + TITLE - 8.0, FONT, title)?;
        let left = MARGIN + text_width("model parallelism", FONT);
        let right = WIDTH - MARGIN - text_width("0000.0 ms", FONT);
        let largest = values.iter().map(|it| it.0).fold(0.0, f64::max);
        for (index, (strategy, (value, label))) in
            self.comparison.strategies().zip(values).enumerate()
        {
            let y = top + TITLE + BAR * index as f64;
            let share = if largest > 0.0 { value / largest } else { 0.0 };
            let width = share * (right - left);
            let colour = if index == 0 { COLOURS[1] } else { COLOURS[0] };
            text(f, MARGIN, y + 0.7 * BAR, FONT, &strategy.name)?;
            rect(f, (left, y + 2.0), (width, BAR - 4.0), colour)?;
            text(f, left + width + 4.0, y + 0.7 * BAR, FONT, label)?;
        }
        Ok(top + TITLE + BAR * values.len() as f64)
    }

    /// The rows of the layers.
    fn draw_layers(&self, f: &mut fmt::Formatter<'_>, top: f64) -> fmt::Result {
        text(
            f,
            MARGIN,
            top + TITLE - 8.0,
            FONT,
            "how each layer is split:",
        )?;
        let mut x = MARGIN + text_width("how each layer is split: ", FONT);
        for (name, colour) in ["sample (n)", "channel (c)", "height (h)", "width (w)"]
            .into_iter()
            .zip(COLOURS)
        {
            rect(f, (x, top + TITLE - 18.0), (FONT, FONT), colour)?;
            text(f, x + FONT + 4.0, top + TITLE - 8.0, FONT, name)?;
            x += FONT + 8.0 + text_width(name, FONT);
        }
        let layers = &self.comparison.searched.cost.layers;
        let names = layers.iter().map(|it| text_width(&it.name, ROW_FONT));
        let left = MARGIN + names.fold(0.0, f64::max).min(0.5 * WIDTH) + MARGIN;
        let right = WIDTH - MARGIN - text_width("n256 c256", ROW_FONT);
        let all = (self.comparison.num_devices.max(2) as f64).ln();
        for (index, layer) in layers.iter().enumerate() {
            let y = top + TITLE + ROW * index as f64;
            text(f, MARGIN, y + 0.75 * ROW, ROW_FONT, &layer.name)?;
            rect(f, (left, y + 1.0), (right - left, ROW - 2.0), IDLE)?;
            let mut x = left;
            let sections = layer.configuration.degrees().into_iter().zip(COLOURS);
            for (degree, colour) in sections.filter(|(degree, _)| *degree > 1) {
                let width = (degree as f64).ln() / all * (right - left);
                rect(f, (x, y + 1.0), (width, ROW - 2.0), colour)?;
                x += width;
            }
            let configuration = layer.configuration.to_string();
            text(f, right + 4.0, y + 0.75 * ROW, ROW_FONT, &configuration)?;
        }
        Ok(())
    }
}

impl fmt::Display for ComparisonSvg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let num_bars = 2 * self.comparison.strategies().count();
        let num_layers = self.comparison.searched.cost.layers.len();
        let rows = BAR * num_bars as f64 + ROW * num_layers as f64;
        let height = Px(2.0 * MARGIN + 3.0 * TITLE + rows);
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" fill=\"#222\">"
        )?;
        writeln!(
            f,
            "<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>"
        )?;
        let costs: Vec<_> = self.comparison.strategies().map(|it| &it.cost).collect();
        let seconds = costs
            .iter()
            .map(|it| (it.seconds(), duration(it.seconds())));
        let bytes = costs.iter().map(|it| (it.bytes() as f64, size(it.bytes())));
        let num_devices = self.comparison.num_devices;
        let title = format!("step time on {num_devices} devices");
        let bottom = self.draw_bars(f, MARGIN, &title, &seconds.collect::<Vec<_>>())?;
        let bottom = self.draw_bars(f, bottom, "bytes moved", &bytes.collect::<Vec<_>>())?;
        self.draw_layers(f, bottom)?;
        write!(f, "</svg>")
    }
}

fn text(f: &mut fmt::Formatter<'_>, x: f64, y: f64, size: f64, text: &str) -> fmt::Result {
    let (x, y, text) = (Px(x), Px(y), escaped(text));
    writeln!(
        f,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\">{text}</text>"
    )
}

fn rect(
    f: &mut fmt::Formatter<'_>,
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    colour: &str,
) -> fmt::Result {
    writeln!(
        f,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{colour}\"/>",
        Px(x),
        Px(y),
        Px(width),
        Px(height)
    )
}

#[cfg(test)]
mod tests {
    use crate::{Cluster, Graph, Layerwise};

    #[test]
    fn a_drawing_has_a_bar_of_each_strategy_and_a_row_of_each_layer() {
        let graph = Graph::alexnet(512);
        let cluster = Cluster::p100_nvlink(4).unwrap();
        let planner = Layerwise::new(&graph, &cluster, &[0, 1, 2, 3]).unwrap();
        let drawing = planner.compare().unwrap().svg().to_string();
        for name in [
            "searched",
            "one weird trick",
            "conv1",
            "softmax",
            "step time on 4",
        ] {
            assert!(drawing.contains(name), "{name}");
        }
        assert!(drawing.ends_with("</svg>"));
        assert!(!drawing.contains("NaN"));
    }
}
