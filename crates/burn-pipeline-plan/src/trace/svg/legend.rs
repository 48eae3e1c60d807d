use std::fmt;

use super::{
    super::operations::OPERATIONS,
    colour::{Colour, Palette},
    page::Page,
    text::{Px, text_width},
};

const LINE: f64 = 22.0;
const SWATCH: f64 = 14.0;
const SPACE: f64 = 6.0;

/// What the colours mean: the operations and chunks that occur, and no others.
pub(super) struct Legend {
    entries: Vec<Entry>,
}

struct Entry {
    left: f64,
    top: f64,
    colours: Vec<Colour>,
    name: String,
}

impl Legend {
    pub(super) fn new(palette: &Palette, page: &Page) -> Self {
        let operations = OPERATIONS.map(|(op, name)| (palette.colours(op), name.to_string()));
        let mut meanings: Vec<_> = operations.into_iter().collect();
        meanings.retain(|(colours, _)| !colours.is_empty());
        meanings.push((vec![Colour::IDLE], "bubble".to_string()));
        if let last @ 1.. = palette.num_chunks().saturating_sub(1) {
            meanings.push((vec![], format!("light to dark: chunk 0 to {last}")));
        }

        let (mut left, mut top) = (page.left, page.legend());
        let mut entries = Vec::with_capacity(meanings.len());
        for (colours, name) in meanings {
            let swatches = SWATCH * colours.len() as f64 + SPACE;
            let width = swatches + text_width(&name, Page::FONT);
            if left + width > page.far() && left > page.left {
                left = page.left;
                top += LINE;
            }
            entries.push(Entry {
                left,
                top,
                colours,
                name,
            });
            left += width + 2.0 * SPACE;
        }
        Self { entries }
    }

    pub(super) fn height(&self) -> f64 {
        match self.entries.as_slice() {
            [first, .., last] => last.top - first.top + LINE,
            _ => LINE,
        }
    }

    pub(super) fn draw(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            let mut x = entry.left;
            let y = Px(entry.top + (LINE - SWATCH) / 2.0);
            for colour in &entry.colours {
                writeln!(
                    f,
                    "<rect x=\"{}\" y=\"{y}\" width=\"{SWATCH}\" height=\"{SWATCH}\" \
                     fill=\"{colour}\"/>",
                    Px(x)
                )?;
                x += SWATCH;
            }
            if !entry.colours.is_empty() {
                x += SPACE;
            }
            let y = Px(entry.top + LINE / 2.0 + 0.35 * Page::FONT);
            writeln!(f, "<text x=\"{}\" y=\"{y}\">{}</text>", Px(x), entry.name)?;
        }
        Ok(())
    }
}
