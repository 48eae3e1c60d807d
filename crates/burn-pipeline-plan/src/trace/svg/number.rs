use super::{super::panel::Panels, text::text_width};
use crate::Instruction;

const LARGEST: f64 = 12.0;
const SMALLEST: f64 = 7.0;
const SMALLEST_WITH_CHUNK: f64 = 9.0;
const MARGIN: f64 = 1.0;

/// What is written into rectangles: the micro-batch, with its chunk where that fits.
///
/// Whether a number fits is decided for the longest one of the drawing: of equal rectangles, all
/// are numbered alike.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    micro_batch: f64,
    with_chunk: f64,
}

impl Numbers {
    pub(super) fn of(panels: &Panels) -> Self {
        let spans = panels.iter().flat_map(|it| it.timeline.spans());
        let widths = spans.map(|it| {
            let width = |text: String| text_width(&text, 1.0);
            let micro_batch = width(it.instruction.micro_batch().to_string());
            (micro_batch, width(number(it.instruction)))
        });
        let (micro_batch, with_chunk) = widths.fold((0.0, 0.0), |(a, b): (f64, f64), (c, d)| {
            (a.max(c), b.max(d))
        });
        Self {
            micro_batch,
            with_chunk,
        }
    }

    /// The number for a rectangle of so many pixels, and the size of its font: none if it is too
    /// small for one.
    pub(super) fn fit(
        &self,
        instruction: Instruction,
        width: f64,
        height: f64,
    ) -> Option<(String, f64)> {
        let size = |text: f64| {
            let size = ((width - 2.0 * MARGIN) / text + 1e-6).min(0.7 * height);
            ((2.0 * size).floor() / 2.0).min(LARGEST)
        };
        let (with_chunk, micro_batch) = (size(self.with_chunk), size(self.micro_batch));
        if with_chunk >= SMALLEST_WITH_CHUNK {
            Some((number(instruction), with_chunk))
        } else if micro_batch >= SMALLEST {
            Some((instruction.micro_batch().to_string(), micro_batch))
        } else {
            None
        }
    }
}

/// An instruction without its letter.
fn number(instruction: Instruction) -> String {
    instruction.to_string().split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(40.0, 20.0, Some(("3.1", 12.0)))]
    #[case(18.2, 20.0, Some(("3.1", 9.0)))]
    #[case(18.0, 20.0, Some(("3", 12.0)))]
    #[case(40.0, 12.0, Some(("3", 8.0)))]
    #[case(40.0, 9.0, None)]
    #[case(5.0, 20.0, None)]
    fn a_number_is_written_where_it_fits(
        #[case] width: f64,
        #[case] height: f64,
        #[case] expected: Option<(&str, f64)>,
    ) {
        let numbers = Numbers {
            micro_batch: text_width("0", 1.0),
            with_chunk: text_width("0.0", 1.0),
        };
        let instruction = Instruction::forward(3).on_chunk(1);
        let found = numbers.fit(instruction, width, height);
        assert_eq!(found, expected.map(|(text, size)| (text.to_string(), size)));
    }
}
