use super::{Profile, ProfileError};

/// The stored form.
impl Profile {
    /// The profile as JSON, to be cached or edited.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a profile is plain data")
    }

    /// Reads what [`to_json`](Self::to_json) has written, or somebody by hand.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Json`] with line and column, and what [`check`](Self::check) finds, with the
    /// layer's name.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        let profile: Self =
            serde_json::from_str(text).map_err(|error| ProfileError::Json(error.to_string()))?;
        profile.check()?;
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const BY_HAND: &str = r#"{
        "device": "a card",
        "input_bytes_per_sample": 4.0,
        "layers": [{
            "name": "head",
            "parameter_bytes": 8,
            "measurements": [{ "num_samples": 2, "forward": 0.5, "backward": 1.0 }]
        }]
    }"#;

    #[test]
    fn what_is_written_by_hand_may_leave_out_what_is_not_known() {
        let profile = Profile::from_json(BY_HAND).unwrap();
        assert_eq!(profile.at(0, 4).backward, 2.0);
        // Most instructions record: without a time of its own, that is no faster than to compute.
        assert_eq!(profile.at(0, 4).recorded_forward, 1.0);
        assert_eq!(Profile::from_json(&profile.to_json()).unwrap(), profile);
    }

    #[rstest]
    #[case(r#""num_samples": 2, "#, "num_samples")]
    #[case(r#""forward": 0.5, "#, "forward")]
    #[case(r#", "backward": 1.0"#, "backward")]
    fn what_a_measurement_must_say_may_not_be_left_out(#[case] text: &str, #[case] field: &str) {
        let error = Profile::from_json(&BY_HAND.replace(text, "")).unwrap_err();
        let missing = format!("missing field `{field}`");
        assert!(error.to_string().contains(&missing), "{error}");
    }

    #[test]
    fn what_is_no_profile_is_refused_with_the_place() {
        let misspelt = BY_HAND.replace("forward\": 0", "foward\": 0");
        let error = Profile::from_json(&misspelt).unwrap_err().to_string();
        assert!(error.contains("unknown field `foward`"), "{error}");
        assert!(error.contains("line 7"), "{error}");

        let negative = BY_HAND.replace("0.5", "-0.5");
        let error = Profile::from_json(&negative).unwrap_err().to_string();
        assert!(
            error.starts_with("the forward pass of layer 0 (`head`)"),
            "{error}"
        );
    }
}
