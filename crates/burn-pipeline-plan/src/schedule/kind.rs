use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Schedule, ScheduleError, breadth_first::breadth_first, gpipe::gpipe, interleaved::interleaved,
    one_forward_one_backward::one_forward_one_backward,
};

/// The schedules that can be asked for by name, and any other.
///
/// K is the number of stages, M of micro-batches, v of chunks per stage. The bubble is the share
/// of the step in which stages wait, if all of them take equally long and handing over takes no
/// time. A micro-batch crosses vK-1 boundaries forward, and as many backward.
///
/// Where handing over does take time, GPipe and breadth-first hide it behind other micro-batches,
/// while stages of 1F1B and of interleaved schedules wait for it in the steady phase: simulate
/// before you choose.
///
/// A kind is written as `gpipe`, `1f1b`, `interleaved:2` and `breadth-first:2`, with its number of
/// chunks, and a custom schedule in its text form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ScheduleKind {
    /// All micro-batches forward, then all backward, last one first (Huang et al., 2018).
    ///
    /// The bubble is (K-1)/(M+K-1). M micro-batches are in flight on every stage.
    ///
    /// ```text
    /// stage 0   F0 F1 F2 F3             B3 B2 B1 B0
    /// stage 1      F0 F1 F2 F3       B3 B2 B1 B0
    /// stage 2         F0 F1 F2 F3 B3 B2 B1 B0
    /// ```
    #[default]
    GPipe,

    /// 1F1B, PipeDream-flush: one forward and one backward in turn, as early as can be (Narayanan
    /// et al., *Memory-Efficient Pipeline-Parallel DNN Training*, 2021).
    ///
    /// The bubble is that of GPipe, (K-1)/(M+K-1), but only min(K-s, M) micro-batches are in
    /// flight on stage s: memory does not grow with M. The last stage runs every micro-batch
    /// backward right after forward, so it has nothing to recompute.
    ///
    /// ```text
    /// stage 0   F0 F1 F2       B0 F3 B1    B2    B3
    /// stage 1      F0 F1    B0 F2 B1 F3 B2    B3
    /// stage 2         F0 B0 F1 B1 F2 B2 F3 B3
    /// ```
    OneForwardOneBackward,

    /// 1F1B over several chunks per stage, in groups of K micro-batches (Narayanan et al.,
    /// *Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM*, 2021,
    /// section 2.2.2).
    ///
    /// The bubble shrinks to (K-1)/(vM+K-1). With fewer micro-batches than stages, W/(vM+W) for
    /// W = K-1+(v-1)(K-M). With groups of G micro-batches and v > 1, 2(K-1-s)+(v-1)G+1 chunks of
    /// micro-batches are in flight on stage s, and at most vM. G is K where K divides M; otherwise
    /// groups are somewhat larger, and one group of M where M < K. One chunk makes it 1F1B.
    ///
    /// ```text
    /// stage 0   F0   F1   F0.1 F1.1      B0.1      B1.1 B0   B1
    /// stage 1        F0   F1   F0.1 B0.1 F1.1 B1.1 B0   B1
    /// ```
    Interleaved {
        /// The number of chunks on each stage.
        num_chunks: usize,
    },

    /// All micro-batches through one chunk before the next, forward and then backward
    /// (Lamy-Poirier, *Breadth-First Pipeline Parallelism*, 2023).
    ///
    /// The bubble is that of interleaving, with vM chunks of micro-batches in flight on every
    /// stage. Each chunk's parameters are used in one go, and a boundary has the time of a whole
    /// round to arrive in. One chunk makes it GPipe.
    ///
    /// ```text
    /// stage 0   F0   F1   F0.1 F1.1           B1.1 B0.1 B1   B0
    /// stage 1        F0   F1   F0.1 F1.1 B1.1 B0.1 B1   B0
    /// ```
    BreadthFirst {
        /// The number of chunks on each stage.
        num_chunks: usize,
    },

    /// The user's own, run as it is written, its Recomputes included.
    Custom(Schedule),
}

impl ScheduleKind {
    /// The schedule of this kind for a number of stages and micro-batches.
    ///
    /// It keeps everything that the forward pass computes;
    /// [`rematerialize`](crate::rematerialize()) changes that. A custom schedule of more
    /// micro-batches gives those in the first ones.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Empty`] for zero of anything, and [`ScheduleError::Custom`] for a custom
    /// schedule of another number of stages or fewer micro-batches.
    pub fn schedule(
        &self,
        num_stages: usize,
        num_micro_batches: usize,
    ) -> Result<Schedule, ScheduleError> {
        match self {
            Self::GPipe => gpipe(num_stages, num_micro_batches),
            Self::OneForwardOneBackward => one_forward_one_backward(num_stages, num_micro_batches),
            &Self::Interleaved { num_chunks } => {
                interleaved(num_stages, num_chunks, num_micro_batches)
            }
            &Self::BreadthFirst { num_chunks } => {
                breadth_first(num_stages, num_chunks, num_micro_batches)
            }
            Self::Custom(schedule) => custom(schedule, num_stages, num_micro_batches),
        }
    }

    /// How many chunks each stage holds.
    pub fn num_chunks(&self) -> usize {
        match self {
            Self::GPipe | Self::OneForwardOneBackward => 1,
            Self::Interleaved { num_chunks } | Self::BreadthFirst { num_chunks } => *num_chunks,
            Self::Custom(schedule) => schedule.num_chunks(),
        }
    }
}

fn custom(
    schedule: &Schedule,
    num_stages: usize,
    num_micro_batches: usize,
) -> Result<Schedule, ScheduleError> {
    let too_few = num_micro_batches > schedule.num_micro_batches();
    if schedule.num_stages() != num_stages || num_micro_batches == 0 || too_few {
        return Err(ScheduleError::Custom {
            num_stages: schedule.num_stages(),
            num_micro_batches: schedule.num_micro_batches(),
            expected_stages: num_stages,
            expected_micro_batches: num_micro_batches,
        });
    }
    Ok(schedule.clone().first_micro_batches(num_micro_batches))
}

impl From<Schedule> for ScheduleKind {
    fn from(schedule: Schedule) -> Self {
        Self::Custom(schedule)
    }
}

impl fmt::Display for ScheduleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GPipe => f.pad("gpipe"),
            Self::OneForwardOneBackward => f.pad("1f1b"),
            Self::Interleaved { num_chunks } => f.pad(&format!("interleaved:{num_chunks}")),
            Self::BreadthFirst { num_chunks } => f.pad(&format!("breadth-first:{num_chunks}")),
            Self::Custom(schedule) => schedule.fmt(f),
        }
    }
}

impl FromStr for ScheduleKind {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || ScheduleError::Kind { given: text.into() };
        let num_chunks = |digits: &str| digits.parse().map_err(|_| unknown());
        match text.split_once(':') {
            None if text == "gpipe" => Ok(Self::GPipe),
            None if text == "1f1b" => Ok(Self::OneForwardOneBackward),
            Some(("interleaved", digits)) => Ok(Self::Interleaved {
                num_chunks: num_chunks(digits)?,
            }),
            Some(("breadth-first", digits)) => Ok(Self::BreadthFirst {
                num_chunks: num_chunks(digits)?,
            }),
            _ if text.split_whitespace().next() == Some("stage") => text.parse().map(Self::Custom),
            _ => Err(unknown()),
        }
    }
}

impl TryFrom<String> for ScheduleKind {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ScheduleKind> for String {
    fn from(kind: ScheduleKind) -> Self {
        kind.to_string()
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
        "0 stages of 1 chunks and 4 micro-batches make no schedule: use at least 1 of each"
    )]
    #[case(
        2,
        0,
        "2 stages of 1 chunks and 0 micro-batches make no schedule: use at least 1 of each"
    )]
    fn nothing_to_run_is_an_error_with_the_numbers(
        #[case] num_stages: usize,
        #[case] num_micro_batches: usize,
        #[case] message: &str,
        #[values(ScheduleKind::GPipe, ScheduleKind::OneForwardOneBackward)] kind: ScheduleKind,
    ) {
        let error = kind.schedule(num_stages, num_micro_batches);
        assert_eq!(error.unwrap_err().to_string(), message);
    }

    #[rstest]
    #[case("interleaved:4294967296")]
    #[case("breadth-first:9223372036854775808")]
    fn more_than_fits_into_memory_is_an_error(#[case] kind: &str) {
        let kind: ScheduleKind = kind.parse().unwrap();
        let error = kind.schedule(2, usize::MAX).unwrap_err();
        assert!(matches!(error, ScheduleError::TooLarge { .. }));
    }

    #[rstest]
    #[case("interleaved:0")]
    #[case("breadth-first:0")]
    fn no_chunks_are_an_error(#[case] kind: &str) {
        let kind: ScheduleKind = kind.parse().unwrap();
        let error = kind.schedule(2, 4).unwrap_err();
        assert_eq!(
            error.to_string(),
            "2 stages of 0 chunks and 4 micro-batches make no schedule: use at least 1 of each"
        );
    }

    #[rstest]
    #[case("gpipe", 1)]
    #[case("1f1b", 1)]
    #[case("interleaved:3", 3)]
    #[case("breadth-first:2", 2)]
    #[case("stage 0   F0   F0.1 B0.1 B0", 2)]
    fn a_kind_is_read_and_stored_as_it_is_displayed(#[case] text: &str, #[case] num_chunks: usize) {
        let kind: ScheduleKind = text.parse().unwrap();
        assert_eq!(kind.to_string(), text);
        assert_eq!(kind.num_chunks(), num_chunks);
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<ScheduleKind>(&json).unwrap(), kind);
    }

    #[rstest]
    fn an_unknown_kind_is_an_error_that_lists_them(
        #[values("2f2b", "interleaved", "interleaved:two", "gpipe:2")] text: &str,
    ) {
        assert_eq!(
            text.parse::<ScheduleKind>().unwrap_err().to_string(),
            format!(
                "`{text}` is no schedule: use `gpipe`, `1f1b`, `interleaved:2` or \
                 `breadth-first:2` (2 chunks per stage), or the text of one, `stage 0 F0 B0`"
            )
        );
    }

    #[test]
    fn a_custom_schedule_gives_up_its_last_micro_batches() {
        let schedule: Schedule = "stage 0 F1 F0 B0 B1".parse().unwrap();
        let kind = ScheduleKind::from(schedule);
        let first = kind.schedule(1, 1).unwrap();
        assert_eq!(first, "stage 0 F0 B0".parse().unwrap());
    }

    #[rstest]
    #[case(
        2,
        2,
        "the schedule is for 1 stages and 2 micro-batches, but 2 stages and 2 micro-batches are \
         asked for: write it for as many of both"
    )]
    #[case(
        1,
        3,
        "the schedule is for 1 stages and 2 micro-batches, but 1 stages and 3 micro-batches are \
         asked for: write it for as many of both"
    )]
    fn a_custom_schedule_of_other_numbers_is_an_error(
        #[case] num_stages: usize,
        #[case] num_micro_batches: usize,
        #[case] message: &str,
    ) {
        let kind: ScheduleKind = "stage 0 F1 F0 B0 B1".parse().unwrap();
        let error = kind.schedule(num_stages, num_micro_batches).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
