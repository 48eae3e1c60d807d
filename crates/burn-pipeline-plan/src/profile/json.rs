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
        assert_eq!(Profile::from_json(&profile.to_json()).unwrap(), profile);
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
