use super::digits::{Digit, Digits};
use crate::Configuration;

/// Configurations with the same parts of an image.
pub(super) struct Image {
    pub(super) row: Digit,
    pub(super) column: Digit,
    pub(super) runs: Vec<Run>,
}

/// Configurations that differ in their samples alone.
pub(super) struct Run {
    pub(super) channel: Digit,
    /// Each with its place in the table.
    pub(super) parts: Vec<(usize, Parts)>,
}

pub(super) struct Parts {
    pub(super) sample: Digit,
    pub(super) num_parts: usize,
}

impl Image {
    /// The places of its configurations in the table.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let parts = self.runs.iter().flat_map(|it| &it.parts);
        parts.map(|it| it.0)
    }
}

/// Sorts legal configurations by what they have in common. Those of one image are one behind the other,
/// as are those of one channel's.
pub(super) fn images(configurations: &[Configuration], digits: &Digits) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for (index, it) in configurations.iter().enumerate() {
        let (row, column) = (digits.digit(it.height, it.width), digits.digit(it.width, 1));
        let channel = digits.digit(it.channel, it.height * it.width);
        let inner = it.channel * it.height * it.width;
        let parts = Parts {
            sample: digits.digit(it.sample, inner),
            num_parts: it.num_parts(),
        };
        if images
            .last()
            .is_none_or(|it| (it.row, it.column) != (row, column))
        {
            let runs = Vec::new();
            images.push(Image { row, column, runs });
        }
        let last = images.len() - 1;
        let runs = &mut images[last].runs;
        match runs.last_mut() {
            Some(run) if run.channel == channel => run.parts.push((index, parts)),
            _ => runs.push(Run {
                channel,
                parts: vec![(index, parts)],
            }),
        }
    }
    images
}

/// For each image that is split along one axis at most, which of them is split as much along the
/// other: their configurations have the same samples and channels on the same devices.
pub(super) fn turned(images: &[Image]) -> Vec<Option<usize>> {
    let degrees = |it: &Image| (it.row.degree, it.column.degree);
    let turned = |it: &Image| match degrees(it) {
        (rows, columns) if rows == 1 || columns == 1 => {
            let mut others = images.iter();
            others.position(|it| degrees(it) == (columns, rows))
        }
        _ => None,
    };
    images.iter().map(turned).collect()
}
