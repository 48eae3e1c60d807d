use std::ops::Range;

use super::drawing::Sheet;

/// How many stages and columns of text fit on a screen.
pub(super) const MOST_STAGES: usize = 16;
pub(super) const MOST_COLUMNS: usize = 160;

/// How many marks decide what is drawn of a schedule that does not fit.
const MOST_MARKS: usize = 8;

/// How many stages, and slots, are drawn on each side of a mark.
const STAGES_AROUND: usize = 1;
const SLOTS_AROUND: usize = 8;

/// Which stages and slots are drawn.
#[derive(Clone)]
pub(super) struct View {
    pub(super) stages: Vec<Range<usize>>,
    pub(super) slots: Vec<Range<usize>>,
}

impl View {
    /// Everything.
    pub(super) fn whole(sheet: &Sheet) -> Self {
        let all = |number| std::iter::once(0..number).collect();
        Self {
            stages: all(sheet.schedule.num_stages()),
            slots: all(sheet.num_slots),
        }
    }

    /// Everything if that fits on a screen, else what is around the first marks.
    pub(super) fn fitting(sheet: &Sheet, marks: &[(usize, usize)]) -> Option<Self> {
        let whole = Self::whole(sheet);
        if whole.num_stages() <= MOST_STAGES && whole.num_columns(sheet) <= MOST_COLUMNS {
            return Some(whole);
        }
        let marks = &marks[..marks.len().min(MOST_MARKS)];
        let mut view = Self {
            stages: Vec::new(),
            slots: Vec::new(),
        };
        let stages = || marks.iter().map(|&(stage, _)| stage);
        let slots = || marks.iter().map(|&(stage, at)| sheet.slots[stage][at]);
        for radius in 0..=STAGES_AROUND {
            let wider = around(stages(), radius, sheet.schedule.num_stages());
            if count(&wider) <= MOST_STAGES {
                view.stages = wider;
            }
        }
        for radius in 0..=SLOTS_AROUND {
            let wider = Self {
                slots: around(slots(), radius, sheet.num_slots),
                ..view.clone()
            };
            if wider.num_columns(sheet) <= MOST_COLUMNS {
                view = wider;
            }
        }
        (!view.slots.is_empty()).then_some(view)
    }

    fn num_stages(&self) -> usize {
        count(&self.stages)
    }

    /// The columns of text that the longest line takes.
    fn num_columns(&self, sheet: &Sheet) -> usize {
        let num_slots = shown(&self.slots, sheet.num_slots).count();
        sheet.label_width + num_slots * sheet.slot_width
    }
}

/// A stage or a slot that is drawn, or any number that are not.
pub(super) enum Shown {
    One(usize),
    Gap,
}

/// What is drawn of `number` stages or slots, in order.
pub(super) fn shown(ranges: &[Range<usize>], number: usize) -> impl Iterator<Item = Shown> {
    let starts = ranges.iter().map(|it| it.start).chain([number]);
    let ends = std::iter::once(0).chain(ranges.iter().map(|it| it.end));
    let gaps = ends.zip(starts).map(|(end, start)| end < start);
    let ranges = ranges
        .iter()
        .cloned()
        .chain(std::iter::once(number..number));
    gaps.zip(ranges).flat_map(|(gap, range)| {
        let gap = gap.then_some(Shown::Gap);
        gap.into_iter().chain(range.map(Shown::One))
    })
}

/// The neighbourhoods of some of `number` stages or slots. A single one between two of them is
/// drawn as well: it takes no more room than what would stand for it.
fn around(marked: impl Iterator<Item = usize>, radius: usize, number: usize) -> Vec<Range<usize>> {
    let mut marked: Vec<usize> = marked.collect();
    marked.sort_unstable();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for index in marked {
        let start = match index.saturating_sub(radius) {
            1 => 0,
            start => start,
        };
        let end = match index + radius + 1 {
            end if end + 1 >= number => number,
            end => end,
        };
        match ranges.last_mut() {
            Some(last) if start <= last.end + 1 => last.end = last.end.max(end),
            _ => ranges.push(start..end),
        }
    }
    ranges
}

fn count(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(ExactSizeIterator::len).sum()
}
