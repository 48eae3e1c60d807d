use super::axis::Axis;
use crate::{Op, Span};

/// The cells of one stage, one character each.
pub(super) fn row(spans: impl Iterator<Item = Span>, axis: &Axis) -> String {
    let mut cells = vec![Cell::default(); axis.num_cells];
    for span in spans {
        let (first, last) = (axis.cell(span.start), axis.cell(span.end));
        for (index, cell) in (first..=last).zip(&mut cells[first..]) {
            let (start, end) = (axis.time(index), axis.time(index + 1));
            cell.add(span, span.end.min(end) - span.start.max(start));
        }
    }
    let shown: Vec<Option<Span>> = cells.iter().map(|cell| cell.shown(axis)).collect();
    shown
        .chunk_by(|a, b| a == b)
        .map(|run| match run[0] {
            Some(span) => block(span, run.len(), axis),
            None => " ".repeat(run.len()),
        })
        .collect()
}

/// The shade of an operation.
pub(super) fn fill(op: Op) -> char {
    match op {
        Op::Forward => '░',
        Op::Recompute => '▒',
        Op::Backward => '▓',
    }
}

/// The cells of one instruction: its name if it lasts long enough, its shade everywhere else.
fn block(span: Span, num_cells: usize, axis: &Axis) -> String {
    let name = span.instruction.to_string();
    let lasts = (span.end - span.start) / axis.cell_seconds() + 1e-9;
    let fits = num_cells >= name.len() && lasts >= name.len() as f64;
    let name = if fits { name } else { String::new() };
    let shade = fill(span.instruction.op()).to_string();
    let num_shades = num_cells - name.len();
    name + &shade.repeat(num_shades)
}

/// How long each operation runs within a cell, and its longest span there.
#[derive(Clone, Default)]
struct Cell {
    shares: [Share; 3],
}

#[derive(Clone, Copy, Default)]
struct Share {
    seconds: f64,
    longest: Option<(f64, Span)>,
}

impl Cell {
    fn add(&mut self, span: Span, seconds: f64) {
        let share = &mut self.shares[span.instruction.op() as usize];
        share.seconds += seconds.max(0.0);
        if share.longest.is_none_or(|(longest, _)| seconds > longest) {
            share.longest = Some((seconds, span));
        }
    }

    /// The longest span of the operation that fills most of the cell; none if the bubble does.
    fn shown(&self, axis: &Axis) -> Option<Span> {
        let most = |a: Share, b: Share| if b.seconds > a.seconds { b } else { a };
        let share = self.shares.into_iter().reduce(most)?;
        let busy: f64 = self.shares.iter().map(|it| it.seconds).sum();
        let idle = axis.cell_seconds() - busy;
        let (_, span) = share.longest?;
        (share.seconds >= idle).then_some(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instruction;
    use rstest::rstest;

    const AXIS: Axis = Axis {
        start: 0.0,
        seconds: 8.0,
        num_cells: 8,
    };

    fn row_of(spans: &[(&str, f64, f64)]) -> String {
        let spans = spans
            .iter()
            .map(|&(name, start, end)| Span::new(0, Instruction::parse(name).unwrap(), start, end));
        row(spans, &AXIS)
    }

    #[rstest]
    #[case(&[("F0", 0.0, 4.0), ("B0", 5.0, 8.0)], "F0░░ B0▓")]
    #[case(&[("F0", 0.0, 1.0), ("R0", 1.0, 2.0), ("B0", 2.0, 4.0)], "░▒B0    ")]
    #[case(&[("F0", 0.0, 2.0), ("F1", 2.0, 4.0), ("F2", 4.0, 6.0)], "F0F1F2  ")]
    #[case(&[("F100", 1.0, 4.0)], " ░░░    ")]
    fn a_name_is_written_where_it_fits(#[case] spans: &[(&str, f64, f64)], #[case] expected: &str) {
        assert_eq!(row_of(spans), expected);
    }

    #[test]
    fn a_cell_shows_what_fills_most_of_it() {
        let row = row_of(&[("F0", 0.0, 0.6), ("B0", 0.6, 1.3), ("F1", 1.7, 2.0)]);
        assert_eq!(row, "░       ");
    }

    #[test]
    fn of_equal_instructions_all_are_named_or_none() {
        let row_of_length = |cells: f64| {
            let span = |m: usize| ("F7", m as f64 * cells, (m + 1) as f64 * cells);
            row_of(&[0, 1, 2].map(span))
        };
        assert_eq!(row_of_length(1.5), "░░░░░   ");
        assert_eq!(row_of_length(2.4), "F7F7░F7 ");
    }

    #[test]
    fn many_short_instructions_are_busy_together() {
        let spans: Vec<_> = (0..80)
            .map(|m| ("F7", m as f64 / 10.0, m as f64 / 10.0 + 0.08))
            .collect();
        assert_eq!(row_of(&spans), "░".repeat(8));
    }
}
