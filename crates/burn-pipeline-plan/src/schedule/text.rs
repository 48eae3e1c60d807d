use std::{fmt, str::FromStr};

use super::{
    Instruction, Schedule, ScheduleError,
    drawing::{Sheet, label},
    view::View,
};

/// Draws one stage per line and one instruction per slot of unit time.
///
/// What a deadlock keeps from running follows, on every stage, after the last slot in use.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sheet = Sheet::of(self);
        sheet.draw(f, &View::whole(&sheet), &[])
    }
}

/// Reads the text form. Only the order within a line counts, not the columns.
///
/// Blank lines are skipped, and lines are counted from 1. Whether the schedule can be run is for
/// [`validate`](crate::validate()) to say.
impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut stages = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let mut tokens = line.split_whitespace();
            let Some(first) = tokens.next() else {
                continue;
            };
            check_label(first, tokens.next(), stages.len(), index + 1)?;
            stages.push(read_stage(tokens, index + 1)?);
        }
        Ok(Self::new(stages))
    }
}

fn check_label(
    first: &str,
    second: Option<&str>,
    stage: usize,
    line: usize,
) -> Result<(), ScheduleError> {
    let found = [first, second.unwrap_or_default()].join(" ");
    let expected = label(stage);
    if found == expected {
        return Ok(());
    }
    Err(ScheduleError::Label {
        line,
        found: found.trim_end().into(),
        expected,
    })
}

fn read_stage<'a>(
    tokens: impl Iterator<Item = &'a str>,
    line: usize,
) -> Result<Vec<Instruction>, ScheduleError> {
    tokens
        .map(|token| {
            Instruction::parse(token).ok_or_else(|| ScheduleError::Token {
                line,
                token: token.into(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Op, ScheduleKind};
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn columns_are_as_wide_as_the_longest_instruction() {
        let schedule = ScheduleKind::GPipe.schedule(2, 11).unwrap();
        insta::assert_snapshot!(schedule, @r"
        stage 0   F0  F1  F2  F3  F4  F5  F6  F7  F8  F9  F10         B10 B9  B8  B7  B6  B5  B4  B3  B2  B1  B0
        stage 1       F0  F1  F2  F3  F4  F5  F6  F7  F8  F9  F10 B10 B9  B8  B7  B6  B5  B4  B3  B2  B1  B0
        ");
    }

    #[test]
    fn the_labels_of_eleven_stages_line_up() {
        let schedule = crate::forward_only(11, 1, 1).unwrap().to_string();
        let lines: Vec<&str> = schedule.lines().collect();
        assert_eq!(lines[0], "stage 0    F0");
        assert_eq!(lines[9], "stage 9                               F0");
        assert_eq!(lines[10], "stage 10                                 F0");
    }

    #[test]
    fn a_line_may_be_as_long_as_it_takes() {
        let schedule = ScheduleKind::GPipe.schedule(2, 9000).unwrap();
        let text = schedule.to_string();
        assert!(text.lines().all(|line| line.len() > 1 << 16));
        assert_eq!(text.parse(), Ok(schedule));
    }

    #[test]
    fn what_never_runs_follows_after_the_last_slot() {
        let text = "stage 0   F0       B0 F1 B1\nstage 1      F0    F1 B0 B1";
        let stuck: Schedule = text.parse().unwrap();
        insta::assert_snapshot!(stuck, @r"
        stage 0   F0    B0 F1 B1
        stage 1      F0 F1 B0 B1
        ");
    }

    #[test]
    fn spacing_and_blank_lines_do_not_count() {
        let schedule: Schedule = "\n  stage 0 F0   B0\n\n\tstage   1 F0 B0\n"
            .parse()
            .unwrap();
        assert_eq!(schedule, ScheduleKind::GPipe.schedule(2, 1).unwrap());
    }

    #[rstest]
    #[case(
        "stage 0 F0\nstage 2 F0",
        "line 2 begins with `stage 2` instead of `stage 1`: number the stages from 0"
    )]
    #[case(
        "F0 F1",
        "line 1 begins with `F0 F1` instead of `stage 0`: number the stages from 0"
    )]
    #[case(
        "\nstage",
        "line 2 begins with `stage` instead of `stage 0`: number the stages from 0"
    )]
    #[case(
        "stage 0 F0\nstage 1 F0 X1 B0",
        "line 2: `X1` is no instruction: write F, R or B and a micro-batch, like F3, \
         and a chunk other than 0 after a point, like F3.1"
    )]
    fn what_cannot_be_read_is_named(#[case] text: &str, #[case] message: &str) {
        let error = text.parse::<Schedule>().unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    fn instruction() -> impl Strategy<Value = Instruction> {
        let op = prop_oneof![Just(Op::Forward), Just(Op::Recompute), Just(Op::Backward)];
        let micro_batch = prop_oneof![0..6u32, any::<u32>()];
        (op, micro_batch, 0..3usize)
            .prop_map(|(op, m, chunk)| Instruction::new(op, m as usize).on_chunk(chunk))
    }

    proptest! {
        #[test]
        fn any_schedule_is_read_as_it_was_written(
            stages in prop::collection::vec(prop::collection::vec(instruction(), 0..8), 0..12)
        ) {
            let schedule = Schedule::new(stages);
            prop_assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
    }
}
