use std::fmt;

use super::{
    super::ticks::Ticks,
    page::{Page, Place},
    text::Px,
};

/// Draws a thin line through the rows at each tick.
pub(super) fn draw_grid(
    f: &mut fmt::Formatter<'_>,
    page: &Page,
    place: Place,
    ticks: &Ticks,
) -> fmt::Result {
    write!(f, "<path stroke=\"#ccc\" stroke-width=\"0.5\" d=\"")?;
    for (time, _) in ticks.iter() {
        let x = Px(page.left + time * page.scale);
        write!(f, "M{x} {}V{}", Px(place.top), Px(place.bottom))?;
    }
    writeln!(f, "\"/>")
}

/// Draws the time axis below the last panel.
pub(super) fn draw_times(f: &mut fmt::Formatter<'_>, page: &Page, ticks: &Ticks) -> fmt::Result {
    let (top, text) = (page.bottom, page.bottom + 4.0 + Page::FONT);
    write!(
        f,
        "<path fill=\"none\" stroke=\"#222\" d=\"M{} {}H{}",
        Px(page.left),
        Px(top),
        Px(page.right)
    )?;
    for (time, _) in ticks.iter() {
        write!(f, "M{} {}v4", Px(page.left + time * page.scale), Px(top))?;
    }
    writeln!(f, "\"/>")?;
    writeln!(f, "<g text-anchor=\"middle\">")?;
    for (time, name) in ticks.iter() {
        let x = Px(page.left + time * page.scale);
        writeln!(f, "<text x=\"{x}\" y=\"{}\">{name}</text>", Px(text))?;
    }
    writeln!(f, "</g>")?;
    writeln!(
        f,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        Px(page.far()),
        Px(text),
        ticks.unit.name
    )
}
