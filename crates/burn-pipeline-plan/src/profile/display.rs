use std::fmt;

use super::{Measurement, Profile, size::size};
use crate::trace::duration;

const HEADER: [&str; 8] = [
    "",
    "layer",
    "forward",
    "recorded",
    "backward",
    "parameters",
    "kept",
    "sent",
];

/// A table: a line for each layer, with what it costs for the largest number of samples that was
/// measured, and the sum of all.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = |it: &[Measurement]| it.last().copied().unwrap_or_default();
        let mut rows = vec![HEADER.map(str::to_string)];
        let mut sum = Measurement::default();
        let mut parameters = 0;
        for (index, layer) in self.layers.iter().enumerate() {
            let it = most(&layer.measurements);
            sum = plus(sum, &it);
            parameters += layer.parameter_bytes;
            rows.push(row(
                index.to_string(),
                &layer.name,
                &it,
                layer.parameter_bytes,
            ));
        }
        for shared in &self.shared_parameters {
            parameters += shared.bytes;
            let layers: Vec<String> = shared.layers.iter().map(usize::to_string).collect();
            let mut cells = [const { String::new() }; 8];
            cells[1] = format!("shared by {}", layers.join(", "));
            cells[5] = size(shared.bytes);
            rows.push(cells);
        }
        if !self.loss.is_empty() {
            let it = most(&self.loss);
            sum = plus(sum, &it);
            rows.push(row(String::new(), "the loss", &it, 0));
        }
        rows.push(row(String::new(), "all", &sum, parameters));

        let num_samples = self
            .layers
            .first()
            .map_or(0, |it| most(&it.measurements).num_samples);
        writeln!(
            f,
            "{} layers on {}, {num_samples} samples; what is kept is {}",
            self.num_layers(),
            self.device,
            self.bytes_source.name()
        )?;
        let width = |column: usize| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
        for (index, row) in rows.iter().enumerate() {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| match column {
                    1 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                });
            let line = cells.collect::<Vec<_>>().join("  ");
            match index + 1 == rows.len() {
                true => write!(f, "{}", line.trim_end())?,
                false => writeln!(f, "{}", line.trim_end())?,
            }
        }
        Ok(())
    }
}

fn row(index: String, name: &str, it: &Measurement, parameter_bytes: u64) -> [String; 8] {
    [
        index,
        name.to_string(),
        duration(it.forward),
        duration(it.recorded_forward),
        duration(it.backward),
        size(parameter_bytes),
        size(it.activation_bytes),
        size(it.output_bytes),
    ]
}

fn plus(sum: Measurement, it: &Measurement) -> Measurement {
    Measurement {
        num_samples: it.num_samples,
        forward: sum.forward + it.forward,
        recorded_forward: sum.recorded_forward + it.recorded_forward,
        backward: sum.backward + it.backward,
        pull_back: sum.pull_back + it.pull_back,
        activation_bytes: sum.activation_bytes + it.activation_bytes,
        output_bytes: sum.output_bytes + it.output_bytes,
        working_bytes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SharedParameter, chart::tests::toy};

    #[test]
    fn a_profile_is_a_table_for_people() {
        let mut profile = toy();
        profile.shared_parameters.push(SharedParameter {
            bytes: 4096,
            layers: vec![0, 2],
        });
        profile.loss = profile.layers[0].measurements.clone();
        insta::assert_snapshot!(profile);
    }
}
