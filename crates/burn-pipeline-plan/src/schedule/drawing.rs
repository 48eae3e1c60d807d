use std::fmt;

use super::{
    Schedule,
    execute::slots,
    view::{Shown, View, shown},
};

impl Schedule {
    /// The text form for the end of an error message, with a line of `^` below the instructions at
    /// these stages and positions.
    ///
    /// Of a schedule that does not fit on a screen, it is what is around the first of them, with
    /// `..` for what is not drawn; without any, it is empty.
    pub(super) fn drawing(&self, marks: &[(usize, usize)]) -> String {
        let sheet = Sheet::of(self);
        let mut text = String::new();
        if let Some(view) = View::fitting(&sheet, marks) {
            text.push('\n');
            let drawn = sheet.draw(&mut text, &view, marks);
            drawn.expect("a string takes whatever is written");
        }
        text
    }
}

/// Where each instruction of a schedule is drawn: one stage per line, one slot per column.
pub(super) struct Sheet<'a> {
    pub(super) schedule: &'a Schedule,
    /// By stage and position. What never runs follows after the last slot in use.
    pub(super) slots: Vec<Vec<usize>>,
    pub(super) num_slots: usize,
    pub(super) label_width: usize,
    pub(super) slot_width: usize,
}

impl<'a> Sheet<'a> {
    pub(super) fn of(schedule: &'a Schedule) -> Self {
        let ran = slots(schedule);
        let num_slots = ran.iter().flatten().max().map_or(0, |slot| slot + 1);
        let slots = ran.into_iter().enumerate().map(|(stage, ran)| {
            let slots = ran.into_iter().chain(num_slots..);
            let slots = slots.take(schedule.stage(stage).len());
            slots.map(|slot| slot as usize).collect()
        });
        let slots: Vec<Vec<usize>> = slots.collect();
        let tokens = schedule.stages().iter().flatten();
        let widest = tokens.map(|it| it.to_string().len()).max();
        Self {
            schedule,
            num_slots: slots.iter().flatten().max().map_or(0, |slot| slot + 1),
            slots,
            label_width: label(schedule.num_stages().saturating_sub(1)).len() + 3,
            slot_width: widest.map_or(0, |width| width + 1),
        }
    }

    pub(super) fn draw(
        &self,
        f: &mut impl fmt::Write,
        view: &View,
        marks: &[(usize, usize)],
    ) -> fmt::Result {
        let mut separator = "";
        for stage in shown(&view.stages, self.schedule.num_stages()) {
            f.write_str(separator)?;
            match stage {
                Shown::One(stage) => self.draw_stage(f, view, stage, marks)?,
                Shown::Gap => f.write_str("..")?,
            }
            separator = "\n";
        }
        Ok(())
    }

    fn draw_stage(
        &self,
        f: &mut impl fmt::Write,
        view: &View,
        stage: usize,
        marks: &[(usize, usize)],
    ) -> fmt::Result {
        let (mut line, mut below) = (label(stage), String::new());
        for (column, slot) in shown(&view.slots, self.num_slots).enumerate() {
            let start = self.label_width + column * self.slot_width;
            let Shown::One(slot) = slot else {
                write_at(&mut line, start, "..");
                continue;
            };
            let Ok(position) = self.slots[stage].binary_search(&slot) else {
                continue;
            };
            let token = self.schedule.stage(stage)[position].to_string();
            if marks.contains(&(stage, position)) {
                write_at(&mut below, start, &"^".repeat(token.len()));
            }
            write_at(&mut line, start, &token);
        }
        f.write_str(&line)?;
        if !below.is_empty() {
            write!(f, "\n{below}")?;
        }
        Ok(())
    }
}

/// What the line of a stage begins with.
pub(super) fn label(stage: usize) -> String {
    format!("stage {stage}")
}

/// Writes a token into a line of ASCII, from a column on.
fn write_at(line: &mut String, column: usize, token: &str) {
    line.extend(std::iter::repeat_n(' ', column - line.len()));
    line.push_str(token);
}

#[cfg(test)]
mod tests {
    use super::{
        super::view::{MOST_COLUMNS, MOST_STAGES},
        *,
    };
    use crate::{Instruction, ScheduleKind, validate};
    use rstest::rstest;

    #[rstest]
    #[case(16, 8, true)]
    #[case(17, 1, false)]
    #[case(2, 33, false)]
    #[case(16, 12, false)]
    fn a_schedule_is_drawn_whole_where_it_fits_on_a_screen(
        #[case] num_stages: usize,
        #[case] num_micro_batches: usize,
        #[case] fits: bool,
    ) {
        let schedule = ScheduleKind::GPipe.schedule(num_stages, num_micro_batches);
        let schedule = schedule.unwrap();
        let whole = format!("\n{schedule}");
        assert_eq!(schedule.drawing(&[]) == whole, fits);
        assert_eq!(schedule.drawing(&[]).is_empty(), !fits);
    }

    /// The error of a schedule in which two instructions of a stage have changed places.
    fn error(kind: &ScheduleKind, size: (usize, usize), stage: usize, at: [usize; 2]) -> String {
        let mut stages: Vec<Vec<Instruction>> = kind.schedule(size.0, size.1).unwrap().into();
        stages[stage].swap(at[0], at[1]);
        validate(&Schedule::new(stages)).unwrap_err().to_string()
    }

    #[test]
    fn what_is_around_a_deadlock_is_drawn_of_a_large_schedule() {
        let kind = ScheduleKind::OneForwardOneBackward;
        insta::assert_snapshot!(error(&kind, (64, 128), 30, [20, 34]), @r"
        deadlock: stage 30 stops at position 20, where B0 waits for B0 of stage 31, and stage 31 stops at position 20, where F20 waits for F20 of stage 30: move F20 of stage 30 before its B0
        ..
        stage 29   ..                                           B0   F35  B1   F36  B2   F37  B3   F38  B4   ..
        stage 30   ..                                           B0   F21  F22  F23  F24  F25  F26  F27  F28  ..
                                                                ^^
        stage 31   ..                                           F20  F21  F22  F23  F24  F25  F26  F27  F28  ..
                                                                ^^^
        stage 32   ..                                           F20  F21  F22  F23  F24  F25  F26  F27  F28  ..
        ..
        ");
    }

    #[test]
    fn marks_far_apart_are_drawn_beside_each_other() {
        let kind = ScheduleKind::GPipe;
        insta::assert_snapshot!(error(&kind, (2, 100), 0, [1, 198]), @r"
        stage 0 runs B1 at position 1, before F1 at position 198: move B1 behind F1
        stage 0   F0      B1  F2  F3  F4  F5  F6  F7  F8  F9  ..  B9  B8  B7  B6  B5  B4  B3  B2  F1  B0
                          ^^                                                                      ^^
        stage 1       F0  F1  F2  F3  F4  F5  F6  F7  F8  F9  ..  B9  B8  B7  B6  B5  B4  B3  B2  B1  B0
        ");
    }

    #[test]
    fn a_schedule_that_is_only_long_is_drawn_for_all_stages() {
        let kind = ScheduleKind::Interleaved { num_chunks: 2 };
        insta::assert_snapshot!(error(&kind, (2, 16), 1, [2, 9]), @r"
        stage 1 runs B0.1 at position 3, before F0.1 at position 9: move B0.1 behind F0.1
        stage 0   F0    F1    F0.1  F1.1  F2    B0.1  F3    B1.1  F2.1  B0    F3.1  B1    F4    B2.1  F5    B3.1  F4.1  B2    F5.1  B3    F6    ..
        stage 1         F0    F1                B1    B0.1  F1.1  B1.1  F2    B0    F3    F0.1  F2.1  B2.1  F3.1  B3.1  F4    B2    F5    B3    ..
                                                      ^^^^                                ^^^^
        ");
    }

    #[test]
    fn however_many_marks_there_are_the_drawing_fits() {
        let stages = 2048..2048 + 64;
        let order: Vec<_> = (2048..2112).map(Instruction::forward).collect();
        let schedule = Schedule::new(stages.map(|_| order.clone()).collect());
        let marks: Vec<_> = (0..64).map(|it| (it, (7 * it) % 64)).collect();
        let drawing = schedule.drawing(&marks);
        assert!(drawing.contains('^'));
        assert!(drawing.lines().count() <= 3 * MOST_STAGES);
        assert!(drawing.lines().all(|it| it.len() <= MOST_COLUMNS));
    }
}
