use std::fmt;

use super::{
    super::{
        panel::{Panel, label},
        unit::Unit,
    },
    colour::{Colour, Palette},
    number::Numbers,
    page::{Page, Place},
    text::{Px, escaped, rounded},
};
use crate::Span;

/// Narrower rectangles, in pixels, have no edges: they would be all there is to see.
const NARROW: f64 = 3.0;

/// The stages of one panel.
pub(super) struct Rows<'a> {
    pub(super) panel: Panel<'a>,
    pub(super) place: Place,
    pub(super) page: &'a Page,
    pub(super) palette: &'a Palette,
    pub(super) unit: Unit,
    pub(super) numbers: Numbers,
}

impl Rows<'_> {
    /// Draws what stands above the rows: name and makespan, and the bubble of all.
    pub(super) fn draw_title(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let y = Px(self.place.top - 8.0);
        write!(f, "<text x=\"{}\" y=\"{y}\">", Px(self.page.near()))?;
        if let Some(name) = self.panel.name {
            write!(f, "<tspan font-weight=\"bold\">{}</tspan>: ", escaped(name))?;
        }
        writeln!(f, "{}</text>", escaped(&self.panel.makespan()))?;
        writeln!(
            f,
            "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">bubble {}</text>",
            Px(self.page.far()),
            percent(self.panel.timeline.bubble_share())
        )
    }

    /// Draws the rows as if nothing ran.
    pub(super) fn draw_idle(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeline = self.panel.timeline;
        let (left, width) = (self.page.left, timeline.makespan() * self.page.scale);
        writeln!(f, "<g fill=\"{}\">", Colour::IDLE)?;
        for stage in 0..timeline.num_stages() {
            writeln!(
                f,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                Px(left),
                Px(self.y(stage)),
                Px(width),
                Px(self.page.bar())
            )?;
        }
        writeln!(f, "</g>")
    }

    /// Draws what each stage runs, between its name and its bubble.
    pub(super) fn draw(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeline = self.panel.timeline;
        for stage in 0..timeline.num_stages() {
            let y = Px(self.y(stage) + self.page.bar() / 2.0 + 0.35 * Page::FONT);
            if stage % self.page.text_step() == 0 {
                let x = Px(self.page.near());
                writeln!(f, "<text x=\"{x}\" y=\"{y}\">{}</text>", label(stage))?;
                let (x, bubble) = (Px(self.page.far()), percent(timeline.bubble(stage)));
                let anchor = "text-anchor=\"end\"";
                writeln!(f, "<text x=\"{x}\" y=\"{y}\" {anchor}>{bubble}</text>")?;
            }
            writeln!(f, "<g shape-rendering=\"crispEdges\">")?;
            for span in timeline.stage(stage) {
                self.draw_span(f, span)?;
            }
            writeln!(f, "</g>")?;
            writeln!(f, "<g text-anchor=\"middle\" pointer-events=\"none\">")?;
            for span in timeline.stage(stage) {
                self.draw_number(f, span)?;
            }
            writeln!(f, "</g>")?;
        }
        Ok(())
    }

    fn draw_span(&self, f: &mut fmt::Formatter<'_>, span: &Span) -> fmt::Result {
        let (left, right) = self.edges(span);
        let edges = if right - left < NARROW {
            ""
        } else {
            " stroke=\"#fff\" shape-rendering=\"auto\""
        };
        write!(
            f,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"{edges}>",
            Px(left),
            Px(self.y(span.stage)),
            Px(right - left),
            Px(self.page.bar()),
            self.palette.colour(span.instruction)
        )?;
        let start = self.panel.timeline.start();
        let time = |time: f64| rounded((time - start) / self.unit.seconds, 3);
        writeln!(
            f,
            "<title>{} on {}: {} {unit} to {} {unit}</title></rect>",
            span.instruction,
            label(span.stage),
            time(span.start),
            time(span.end),
            unit = self.unit.name
        )
    }

    fn draw_number(&self, f: &mut fmt::Formatter<'_>, span: &Span) -> fmt::Result {
        let bar = self.page.bar();
        let width = (span.end - span.start) * self.page.scale;
        let Some((number, size)) = self.numbers.fit(span.instruction, width, bar) else {
            return Ok(());
        };
        let (left, right) = self.edges(span);
        writeln!(
            f,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\">{number}</text>",
            Px((left + right) / 2.0),
            Px(self.y(span.stage) + bar / 2.0 + 0.35 * size),
            Px(size),
            self.palette.colour(span.instruction).ink()
        )
    }

    /// Where a rectangle begins and ends, as written: neighbours share an edge.
    fn edges(&self, span: &Span) -> (f64, f64) {
        let start = self.panel.timeline.start();
        let x = |time: f64| Px(self.page.left + (time - start) * self.page.scale).written();
        (x(span.start), x(span.end))
    }

    fn y(&self, stage: usize) -> f64 {
        self.place.top + self.page.row * stage as f64
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
