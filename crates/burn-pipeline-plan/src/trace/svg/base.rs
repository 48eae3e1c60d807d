use std::fmt;

use super::{
    super::{panel::Panels, ticks::Ticks},
    colour::Palette,
    grid::{draw_grid, draw_times},
    legend::Legend,
    number::Numbers,
    page::Page,
    rows::Rows,
};
use crate::Timeline;

/// Timelines drawn as an SVG file, for a paper or a browser: one row per stage, time from left to
/// right.
///
/// Each instruction is a rectangle in the colour of its operation, a lighter or darker one for
/// each chunk, numbered with its micro-batch where the number fits: `3.1` is micro-batch 3 on
/// chunk 1. Colours differ in grey print and for the colour-blind. The bubble is what is left of a
/// row; its share stands at the right. In a browser, a rectangle tells its times under the
/// pointer. Times count from the first start.
///
/// The drawing is 640 pixels wide, its text as large as fits a column of a paper. A stage's row is
/// 26 pixels high, less where there are more than 24 stages.
///
/// ```
/// use burn_pipeline_plan::{ScheduleKind, Svg, Timeline};
///
/// let schedule = ScheduleKind::GPipe.schedule(4, 8)?;
/// let timeline = Timeline::of_slots(&schedule)?;
/// let drawing = Svg::new(&timeline).to_string();
/// assert!(drawing.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\""));
/// assert!(drawing.contains("<title>F2 on stage 0: 2 s to 3 s</title>"));
/// # Ok::<(), burn_pipeline_plan::ScheduleError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Svg<'a> {
    panels: Panels<'a>,
}

impl<'a> Svg<'a> {
    /// A drawing of a timeline.
    pub fn new(timeline: &'a Timeline) -> Self {
        Self {
            panels: Panels::one(timeline),
        }
    }

    /// A drawing of timelines one above the other, on one time axis, each under its name and with
    /// its own bubbles. A makespan is compared with that of the first.
    pub fn of(timelines: &[(&'a str, &'a Timeline)]) -> Self {
        Self {
            panels: Panels::of(timelines),
        }
    }
}

impl fmt::Display for Svg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = Page::new(&self.panels);
        let palette = Palette::of(&self.panels);
        let legend = Legend::new(&palette, &page);
        let numbers = Numbers::of(&self.panels);
        let ticks = Ticks::new(self.panels.seconds(), Page::NUM_TICKS);

        page.open(f, legend.height())?;
        for (panel, place) in self.panels.iter().zip(page.places(&self.panels)) {
            let rows = Rows {
                panel,
                place,
                page: &page,
                palette: &palette,
                unit: ticks.unit,
                numbers,
            };
            rows.draw_title(f)?;
            rows.draw_idle(f)?;
            draw_grid(f, &page, place, &ticks)?;
            rows.draw(f)?;
        }
        draw_times(f, &page, &ticks)?;
        legend.draw(f)?;
        write!(f, "</svg>")
    }
}
