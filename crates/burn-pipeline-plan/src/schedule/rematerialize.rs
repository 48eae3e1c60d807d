use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Instruction, Op, Schedule, ScheduleError};

/// For which micro-batches a stage keeps only the boundary, and computes the rest a second time.
///
/// Whole-stage rematerialization of Huang et al., 2018, section 2.3. It is written as `never`,
/// `except-last` or `always`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rematerialization {
    /// Keeps everything: no Recompute, and the most memory.
    Never,
    /// Recomputes every micro-batch except those that a stage runs backward right after forward.
    ///
    /// Recomputing those would cost time and free nothing. With GPipe it is the last micro-batch.
    #[default]
    ExceptLast,
    /// Recomputes every micro-batch.
    Always,
}

impl Rematerialization {
    fn recomputes(self, stage: &[Instruction], backward: usize) -> bool {
        let forward = stage[backward].with_op(Op::Forward);
        match self {
            Rematerialization::Never => false,
            Rematerialization::ExceptLast => stage[..backward].last() != Some(&forward),
            Rematerialization::Always => true,
        }
    }
}

/// The schedule with a Recompute directly before each Backward that the mode asks for.
///
/// What it recomputed before is dropped first: the last mode counts.
///
/// ```
/// use burn_pipeline_plan::{Rematerialization, ScheduleKind, rematerialize};
///
/// let schedule = ScheduleKind::GPipe.schedule(2, 2)?;
/// let schedule = rematerialize(schedule, Rematerialization::ExceptLast);
/// assert_eq!(
///     schedule.to_string(),
///     "\
/// stage 0   F0 F1       B1 R0 B0
/// stage 1      F0 F1 B1 R0 B0"
/// );
/// # Ok::<(), burn_pipeline_plan::ScheduleError>(())
/// ```
pub fn rematerialize(schedule: Schedule, mode: Rematerialization) -> Schedule {
    let stages: Vec<Vec<Instruction>> = schedule.into();
    Schedule::new(
        stages
            .into_iter()
            .map(|stage| rematerialize_stage(stage, mode))
            .collect(),
    )
}

fn rematerialize_stage(mut stage: Vec<Instruction>, mode: Rematerialization) -> Vec<Instruction> {
    stage.retain(|it| it.op() != Op::Recompute);
    let mut rematerialized = Vec::with_capacity(stage.len());
    for (position, &instruction) in stage.iter().enumerate() {
        if instruction.op() == Op::Backward && mode.recomputes(&stage, position) {
            rematerialized.push(instruction.with_op(Op::Recompute));
        }
        rematerialized.push(instruction);
    }
    rematerialized
}

impl fmt::Display for Rematerialization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Rematerialization::Never => "never",
            Rematerialization::ExceptLast => "except-last",
            Rematerialization::Always => "always",
        })
    }
}

impl FromStr for Rematerialization {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "never" => Ok(Rematerialization::Never),
            "except-last" => Ok(Rematerialization::ExceptLast),
            "always" => Ok(Rematerialization::Always),
            _ => Err(ScheduleError::Rematerialization { given: text.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ScheduleKind, forward_only, validate};
    use rstest::rstest;

    const MODES: [Rematerialization; 3] = [
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always,
    ];

    fn gpipe(num_stages: usize, num_micro_batches: usize, mode: Rematerialization) -> Schedule {
        let schedule = ScheduleKind::GPipe.schedule(num_stages, num_micro_batches);
        let schedule = rematerialize(schedule.unwrap(), mode);
        validate(&schedule).unwrap();
        schedule
    }

    #[test]
    fn never_keeps_every_micro_batch() {
        insta::assert_snapshot!(gpipe(3, 3, Rematerialization::Never), @r"
        stage 0   F0 F1 F2             B2 B1 B0
        stage 1      F0 F1 F2       B2 B1 B0
        stage 2         F0 F1 F2 B2 B1 B0
        ");
    }

    #[test]
    fn except_last_keeps_the_last_micro_batch_on_every_stage() {
        insta::assert_snapshot!(gpipe(3, 3, Rematerialization::ExceptLast), @r"
        stage 0   F0 F1 F2             B2 R1 B1 R0 B0
        stage 1      F0 F1 F2       B2 R1 B1 R0 B0
        stage 2         F0 F1 F2 B2 R1 B1 R0 B0
        ");
    }

    #[test]
    fn always_recomputes_while_waiting_for_the_gradient() {
        insta::assert_snapshot!(gpipe(3, 3, Rematerialization::Always), @r"
        stage 0   F0 F1 F2 R2             B2 R1 B1 R0 B0
        stage 1      F0 F1 F2 R2       B2 R1 B1 R0 B0
        stage 2         F0 F1 F2 R2 B2 R1 B1 R0 B0
        ");
    }

    #[test]
    fn one_micro_batch_is_only_ever_recomputed_by_always() {
        let kept = gpipe(4, 1, Rematerialization::Never);
        assert_eq!(gpipe(4, 1, Rematerialization::ExceptLast), kept);
        insta::assert_snapshot!(gpipe(2, 1, Rematerialization::Always), @r"
        stage 0   F0 R0       B0
        stage 1      F0 R0 B0
        ");
    }

    #[test]
    fn the_last_mode_counts() {
        for before in MODES {
            for mode in MODES {
                let twice = rematerialize(gpipe(3, 4, before), mode);
                assert_eq!(twice, gpipe(3, 4, mode));
            }
        }
    }

    #[test]
    fn inference_has_nothing_to_recompute() {
        let schedule = forward_only(3, 1, 4).unwrap();
        for mode in MODES {
            assert_eq!(rematerialize(schedule.clone(), mode), schedule);
        }
    }

    #[rstest]
    #[case(Rematerialization::Never, "never")]
    #[case(Rematerialization::ExceptLast, "except-last")]
    #[case(Rematerialization::Always, "always")]
    fn a_mode_has_one_spelling(#[case] mode: Rematerialization, #[case] text: &str) {
        assert_eq!(mode.to_string(), text);
        assert_eq!(text.parse(), Ok(mode));
        let json = serde_json::to_string(&mode).unwrap();
        assert_eq!(json, format!("\"{text}\""));
    }

    #[test]
    fn an_unknown_mode_is_an_error_that_lists_the_three() {
        let error = "sometimes".parse::<Rematerialization>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sometimes` is no rematerialization: use `never`, `except-last` or `always`"
        );
    }
}
