use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Schedule, ScheduleError, gpipe::gpipe};

/// The schedules that can be asked for by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScheduleKind {
    /// All micro-batches forward, then all backward, last one first (Huang et al., 2018).
    ///
    /// With K equal stages and M micro-batches the bubble is (K-1)/(M+K-1), and M micro-batches
    /// are in flight on every stage.
    ///
    /// ```text
    /// stage 0   F0 F1 F2 F3             B3 B2 B1 B0
    /// stage 1      F0 F1 F2 F3       B3 B2 B1 B0
    /// stage 2         F0 F1 F2 F3 B3 B2 B1 B0
    /// ```
    #[default]
    #[serde(rename = "gpipe")]
    GPipe,
}

impl ScheduleKind {
    /// The schedule of this kind for a number of stages and micro-batches.
    ///
    /// Zero of either is [`ScheduleError::Empty`]. It keeps everything that the forward pass
    /// computes; [`rematerialize`](crate::rematerialize()) changes that.
    pub fn schedule(
        &self,
        num_stages: usize,
        num_micro_batches: usize,
    ) -> Result<Schedule, ScheduleError> {
        match self {
            ScheduleKind::GPipe => gpipe(num_stages, num_micro_batches),
        }
    }
}

impl fmt::Display for ScheduleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ScheduleKind::GPipe => "gpipe",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        0,
        4,
        "0 stages and 4 micro-batches make no schedule: use at least 1 of each"
    )]
    #[case(
        2,
        0,
        "2 stages and 0 micro-batches make no schedule: use at least 1 of each"
    )]
    fn nothing_to_run_is_an_error_with_the_numbers(
        #[case] num_stages: usize,
        #[case] num_micro_batches: usize,
        #[case] message: &str,
    ) {
        let error = ScheduleKind::GPipe.schedule(num_stages, num_micro_batches);
        assert_eq!(error.unwrap_err().to_string(), message);
    }

    #[test]
    fn a_kind_is_serialized_as_it_is_displayed() {
        let kind = ScheduleKind::default();
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("\"{kind}\""));
        assert_eq!(serde_json::from_str::<ScheduleKind>(&json).unwrap(), kind);
    }
}
