use std::fmt;

use super::{
    super::panel::{Panels, label},
    text::{Px, text_width},
};

const MARGIN: f64 = 8.0;
const TITLE: f64 = 24.0;
const TIMES: f64 = 24.0;
const GAP: f64 = 12.0;
const ALL_ROWS: f64 = 640.0;
const HIGHEST_ROW: f64 = 26.0;
const LOWEST_ROW: f64 = 8.0;

/// Where things are on the page. All lengths are in pixels.
pub(super) struct Page {
    /// Where the time axis begins and ends.
    pub(super) left: f64,
    pub(super) right: f64,
    /// The height of a row, with the gap below it.
    pub(super) row: f64,
    /// The pixels of a second.
    pub(super) scale: f64,
    /// Where the rows of the last panel end.
    pub(super) bottom: f64,
}

/// Where the rows of one panel are.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Page {
    pub(super) const WIDTH: f64 = 640.0;
    pub(super) const FONT: f64 = 14.0;
    pub(super) const NUM_TICKS: usize = 8;

    pub(super) fn new(panels: &Panels) -> Self {
        let last = panels.num_stages().saturating_sub(1);
        let left = MARGIN + text_width(&label(last), Self::FONT);
        let right = Self::WIDTH - MARGIN - text_width("00.0 %", Self::FONT) - MARGIN;
        let num_rows: usize = panels.iter().map(|it| it.timeline.num_stages()).sum();
        let seconds = panels.seconds();
        let mut page = Self {
            left,
            right,
            row: (ALL_ROWS / num_rows as f64).clamp(LOWEST_ROW, HIGHEST_ROW),
            scale: if seconds > 0.0 {
                (right - left) / seconds
            } else {
                0.0
            },
            bottom: 0.0,
        };
        let last = page.places(panels).last();
        page.bottom = last.map_or(MARGIN, |it| it.bottom);
        page
    }

    /// Where each panel is.
    pub(super) fn places(&self, panels: &Panels) -> impl Iterator<Item = Place> {
        let row = self.row;
        let mut end = MARGIN - GAP;
        panels.iter().map(move |panel| {
            let top = end + GAP + TITLE;
            end = top + row * panel.timeline.num_stages() as f64;
            Place { top, bottom: end }
        })
    }

    /// Where the left edges of text in the margin are.
    pub(super) fn near(&self) -> f64 {
        MARGIN
    }

    /// Where the right edges of text in the margin are.
    pub(super) fn far(&self) -> f64 {
        Self::WIDTH - MARGIN
    }

    /// Where the legend begins.
    pub(super) fn legend(&self) -> f64 {
        self.bottom + TIMES
    }

    /// The height of the rectangles in a row.
    pub(super) fn bar(&self) -> f64 {
        self.row - (0.15 * self.row).min(3.0)
    }

    /// Every how many rows there is room for a line of text.
    pub(super) fn text_step(&self) -> usize {
        (Self::FONT / self.row).ceil() as usize
    }

    /// Writes the start of the file.
    pub(super) fn open(&self, f: &mut fmt::Formatter<'_>, legend: f64) -> fmt::Result {
        let (width, height) = (Px(Self::WIDTH), Px(self.legend() + legend + MARGIN));
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"{}\" \
             fill=\"#222\">",
            Px(Self::FONT)
        )?;
        writeln!(
            f,
            "<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>"
        )
    }
}
