use csv::{ReaderBuilder, Trim};
use serde::Deserialize;

use super::{BytesSource, LayerProfile, Measurement, Profile, ProfileError};

/// One line of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    layer: String,
    #[serde(default = "one")]
    num_samples: usize,
    forward: f64,
    recorded_forward: Option<f64>,
    backward: f64,
    #[serde(default)]
    parameter_bytes: u64,
    #[serde(default)]
    activation_bytes: u64,
    #[serde(default)]
    output_bytes: u64,
}

fn one() -> usize {
    1
}

/// The form that is easy to write by hand.
impl Profile {
    /// Reads a table of `device`: comma-separated values, a line for each layer, the first line
    /// with the names of the columns. `layer`, `forward` and `backward` must be there, times in
    /// seconds; `num_samples` is 1 where it is not, `recorded_forward` is `forward`, and
    /// `parameter_bytes`, `activation_bytes` and `output_bytes` are 0. Lines of one name that
    /// follow each other are one layer with other numbers of samples.
    ///
    /// ```
    /// use burn_pipeline_plan::Profile;
    ///
    /// let table = "\
    /// layer,  forward, backward, parameter_bytes, output_bytes
    /// embed,    0.001,    0.002,           65536,         4096
    /// block,    0.010,    0.020,          131072,         4096";
    /// let profile = Profile::from_table(table, "a card", 256.0)?;
    /// assert_eq!(profile.layers[1].name, "block");
    /// assert_eq!(profile.at(1, 2).backward, 0.040);
    /// # Ok::<(), burn_pipeline_plan::ProfileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ProfileError::Table`] with the line that cannot be read, and what [`check`](Self::check)
    /// finds.
    pub fn from_table(
        text: &str,
        device: &str,
        input_bytes_per_sample: f64,
    ) -> Result<Self, ProfileError> {
        let mut layers: Vec<LayerProfile> = Vec::new();
        let mut reader = ReaderBuilder::new()
            .trim(Trim::All)
            .from_reader(text.as_bytes());
        for row in reader.deserialize::<Row>() {
            let row = row.map_err(|error| unreadable(&error))?;
            let measurement = Measurement {
                num_samples: row.num_samples,
                forward: row.forward,
                recorded_forward: row.recorded_forward.unwrap_or(row.forward),
                backward: row.backward,
                pull_back: 0.0,
                activation_bytes: row.activation_bytes,
                output_bytes: row.output_bytes,
                working_bytes: None,
            };
            match layers.last_mut() {
                Some(last) if last.name == row.layer => last.measurements.push(measurement),
                _ => layers.push(LayerProfile {
                    name: row.layer,
                    parameter_bytes: row.parameter_bytes,
                    measurements: vec![measurement],
                }),
            }
        }
        let profile = Self {
            device: device.to_string(),
            input_bytes_per_sample,
            bytes_source: BytesSource::Given,
            layers,
            shared_parameters: Vec::new(),
            loss: Vec::new(),
        };
        profile.check()?;
        Ok(profile)
    }
}

fn unreadable(error: &csv::Error) -> ProfileError {
    let reason = match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        _ => error.to_string(),
    };
    ProfileError::Table {
        line: error.position().map_or(1, csv::Position::line),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn lines_of_one_name_are_one_layer() {
        let table =
            "layer,num_samples,forward,backward,parameter_bytes\na,1,1,2,8\na,4,2,4,8\nb,1,1,1,0";
        let profile = Profile::from_table(table, "toy", 4.0).unwrap();
        assert_eq!(profile.num_layers(), 2);
        assert_eq!(profile.layers[0].measurements.len(), 2);
        assert_eq!(profile.at(0, 4).backward, 4.0);
        assert_eq!(profile.layers[0].parameter_bytes, 8);
    }

    #[rstest]
    #[case("layer,forward,backward\na,1,2\nb,x,2", "line 3 of the table: ")]
    #[case("layer,forward,backward\na,1,2,3", "line 2 of the table: ")]
    #[case(
        "layer,forward,backwards\na,1,2",
        "line 2 of the table: unknown field `backwards`"
    )]
    #[case("layer,forward,backward\na,-1,2", "the forward pass of layer 0 (`a`)")]
    #[case("layer,forward,backward", "the profile has no layers")]
    fn a_table_that_cannot_be_read_is_refused_with_the_line(
        #[case] table: &str,
        #[case] message: &str,
    ) {
        let error = Profile::from_table(table, "toy", 4.0)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{error}");
    }
}
