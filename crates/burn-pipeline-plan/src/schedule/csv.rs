use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};

use super::{CellFault, Instruction, Layout, Op, Schedule, ScheduleError, execute::slots};

/// The CSV form, in which the schedules of PyTorch's `torch.distributed.pipelining` store the order
/// of their computations.
impl Schedule {
    /// Reads the CSV form, as PyTorch's `_dump_csv` writes it and [`to_csv`](Self::to_csv) does.
    ///
    /// A line is a stage, PyTorch's rank. A cell is blank, or an instruction: `2B3` is the Backward
    /// of micro-batch 3 at place 2 along the model, PyTorch's stage index. Of `K` lines, place `i`
    /// is on line `i % K`, counted from 0, and is its chunk `i / K`. Only the order within a line
    /// counts, not the columns.
    ///
    /// ```
    /// use burn_pipeline_plan::Schedule;
    ///
    /// let schedule = Schedule::from_csv("0F0,2F0,,2B0,,0B0\r\n,1F0,3F0,3B0,1B0\r\n")?;
    /// assert_eq!(
    ///     schedule.to_string(),
    ///     "\
    /// stage 0   F0        F0.1           B0.1      B0
    /// stage 1        F0        F0.1 B0.1      B0"
    /// );
    /// # Ok::<(), burn_pipeline_plan::ScheduleError>(())
    /// ```
    ///
    /// Blank lines at the end are skipped. Whether the schedule can be run is for
    /// [`validate`](crate::validate()) to say.
    ///
    /// # Errors
    ///
    /// If a cell is anything but a full Forward, Recompute or Backward of its own line: one half of
    /// a backward pass (PyTorch's `I` and `W`), communication, two instructions at once, or a place
    /// that belongs on another line, as the V of `ZBVZeroBubble` has it. If a line before the last
    /// is blank: PyTorch reads it as a rank that runs nothing, which no schedule can want.
    pub fn from_csv(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim_end();
        if let Some(blank) = text.lines().position(|line| line.trim().is_empty()) {
            return Err(ScheduleError::BlankLine { line: blank + 1 });
        }
        let rows: Vec<StringRecord> = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes())
            .into_records()
            .collect::<Result<_, _>>()
            .expect("text is UTF-8, and rows may have any length");
        let stages = rows.iter().enumerate();
        let stages = stages.map(|(stage, row)| read_row(row, stage, rows.len()));
        Ok(Self::new(stages.collect::<Result<_, _>>()?))
    }

    /// Writes the CSV form, for PyTorch's `_load_csv` and [`from_csv`](Self::from_csv).
    ///
    /// A column is a slot of unit time, as in the text form, and every line has all of them: PyTorch
    /// receives in the slot in which the neighbour sends. What a deadlock keeps from running
    /// follows after the last slot in use. Lines end as Python's `csv` ends them, with `\r\n`.
    ///
    /// A Recompute is written `R`, which is ours: PyTorch does not read a schedule that has one.
    ///
    /// ```
    /// use burn_pipeline_plan::ScheduleKind;
    ///
    /// let schedule = ScheduleKind::GPipe.schedule(2, 2)?;
    /// assert_eq!(schedule.to_csv(), "0F0,0F1,,,0B1,0B0\r\n,1F0,1F1,1B1,1B0,\r\n");
    /// # Ok::<(), burn_pipeline_plan::ScheduleError>(())
    /// ```
    pub fn to_csv(&self) -> String {
        let mut rows = rows(self);
        let num_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut writer = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .from_writer(Vec::new());
        for row in &mut rows {
            row.resize(num_columns, String::new());
            writer.write_record(row).expect("the rows are equally long");
        }
        let bytes = writer.into_inner().expect("memory takes every row");
        String::from_utf8(bytes).expect("the cells are text")
    }
}

fn read_row(
    row: &StringRecord,
    stage: usize,
    num_stages: usize,
) -> Result<Vec<Instruction>, ScheduleError> {
    let cells = row.iter().map(str::trim).enumerate();
    cells
        .filter(|(_, token)| !token.is_empty())
        .map(|(index, token)| {
            read_cell(token, stage, num_stages).map_err(|fault| ScheduleError::Cell {
                line: stage + 1,
                cell: index + 1,
                token: token.into(),
                fault,
            })
        })
        .collect()
}

fn read_cell(token: &str, stage: usize, num_stages: usize) -> Result<Instruction, CellFault> {
    let name = token.trim_matches(|c: char| c.is_ascii_digit());
    let op = read_op(name)?;
    let (place, micro_batch) = token.split_once(name).ok_or(CellFault::Malformed)?;
    let number = |digits: &str| digits.parse::<u32>().map_err(|_| CellFault::Malformed);
    let (place, micro_batch) = (number(place)? as usize, number(micro_batch)? as usize);
    if place % num_stages != stage {
        return Err(CellFault::OtherStage {
            index: place,
            line: place % num_stages + 1,
            num_stages,
        });
    }
    Ok(Instruction::new(op, micro_batch).on_chunk(place / num_stages))
}

fn read_op(name: &str) -> Result<Op, CellFault> {
    match name {
        "F" => Ok(Op::Forward),
        "R" => Ok(Op::Recompute),
        "B" => Ok(Op::Backward),
        "I" | "W" => Err(CellFault::SplitBackward),
        "SEND_F" | "RECV_F" | "SEND_B" | "RECV_B" | "UNSHARD" | "RESHARD" | "REDUCE_GRAD" => {
            Err(CellFault::Communication)
        }
        _ if name.ends_with("OVERLAP_F_B") => Err(CellFault::Overlap),
        _ => Err(CellFault::Malformed),
    }
}

/// The cells of each stage, up to its last instruction.
fn rows(schedule: &Schedule) -> Vec<Vec<String>> {
    let slots = slots(schedule);
    let num_slots = slots.iter().flatten().max().map_or(0, |slot| slot + 1);
    let stages = schedule.stages().iter().zip(slots).enumerate();
    let rows = stages.map(|(stage, (instructions, slots))| {
        let mut row = Vec::new();
        let slots = slots.into_iter().chain(num_slots..);
        for (instruction, slot) in instructions.iter().zip(slots) {
            row.resize(slot as usize, String::new());
            row.push(write_cell(*instruction, schedule.layout(), stage));
        }
        row
    });
    rows.collect()
}

fn write_cell(instruction: Instruction, layout: Layout, stage: usize) -> String {
    let place = layout.place(stage, instruction.chunk());
    let letter = instruction.op().letter();
    format!("{place}{letter}{}", instruction.micro_batch())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScheduleKind;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::gpipe(
        "0F0,0F1,,,,0B0,0B1\r\n,1F0,1F1,1B0,1B1\r\n",
        "stage 0 F0 F1 B0 B1\nstage 1 F0 F1 B0 B1".parse()
    )]
    #[case::looped_bfs(
        "0F0,0F1,,,0B1,0B0\r\n,1F0,1F1,1B1,1B0\r\n",
        ScheduleKind::GPipe.schedule(2, 2)
    )]
    #[case::interleaved_1f1b(
        "0F0,0F1,2F0,2F1,,,0F2,2B0,0F3,2B1,2F2,0B0,2F3,0B1,,2B2,,2B3,,0B2,,0B3\r\n\
         ,1F0,1F1,,3F0,3B0,3F1,3B1,1F2,1B0,1F3,1B1,3F2,3B2,3F3,3B3,,1B2,,1B3\r\n",
        ScheduleKind::Interleaved { num_chunks: 2 }.schedule(2, 4)
    )]
    fn what_pytorch_stores_is_read(
        #[case] csv: &str,
        #[case] expected: Result<Schedule, ScheduleError>,
    ) {
        assert_eq!(Schedule::from_csv(csv), expected);
    }

    #[rstest]
    #[case::unix_line_ends("0F0,0B0\n1F0,1B0\n")]
    #[case::no_last_line_end("0F0,0B0\r\n1F0,1B0")]
    #[case::blank_lines_at_the_end("0F0,0B0\r\n1F0,1B0\r\n\r\n  \r\n")]
    #[case::blank_cells(" 0F0 ,  ,0B0\r\n,\"1F0\",\"\",1B0,,\r\n")]
    fn spelling_does_not_count(#[case] csv: &str) {
        let schedule = ScheduleKind::GPipe.schedule(2, 1);
        assert_eq!(Schedule::from_csv(csv), schedule);
    }

    #[rstest]
    #[case(
        "0F0,0X1",
        "line 1, cell 2: `0X1` is no instruction: write the stage index, F, R or B, and a \
         micro-batch, like 0F3"
    )]
    #[case(
        "0F0,,0I0,0W0",
        "line 1, cell 3: `0I0` runs the backward pass of inputs and weights apart, which is not \
         supported: use one B for both"
    )]
    #[case(
        "0F0,0B0\r\n1RECV_F0,1F0,1B0",
        "line 2, cell 1: `1RECV_F0` is communication, which follows from the order here: store \
         the compute-only form, `format=\"compute_only\"`"
    )]
    #[case(
        "0F0,(0F1;3B0)OVERLAP_F_B",
        "line 1, cell 2: `(0F1;3B0)OVERLAP_F_B` runs two instructions at once, which is not \
         supported: give each its own cell"
    )]
    #[case(
        "0F0,,,3F0,3B0,,,0B0\r\n,1F0,2F0,,,2B0,1B0",
        "line 1, cell 4: `3F0` has stage index 3, which belongs on line 2 of 2: write index i on \
         line i % 2 + 1, as V-shaped placements are not supported"
    )]
    #[case(
        "0F0,0B0\n\n1F0,1B0",
        "line 2 is blank: take it out, or write `\"\"` for a stage that runs nothing"
    )]
    #[case(
        " \r\n0F0,0B0",
        "line 1 is blank: take it out, or write `\"\"` for a stage that runs nothing"
    )]
    fn what_cannot_be_read_is_named(#[case] csv: &str, #[case] message: &str) {
        let error = Schedule::from_csv(csv).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[rstest]
    #[case::malformed(
        &["0", "F", "F0", "0F", "0f0", "0F0.1", "0F-1", "+0F0", "0F0B0", "0 F0", "stage 0", "0FULL0",
          "0F99999999999999999999", "99999999999999999999F0"],
        CellFault::Malformed
    )]
    #[case::communication(
        &["0SEND_F0", "0RECV_F0", "0SEND_B0", "0RECV_B0", "0UNSHARD", "0RESHARD", "0REDUCE_GRAD"],
        CellFault::Communication
    )]
    #[case::split_backward(&["0I0", "0W12"], CellFault::SplitBackward)]
    fn a_cell_that_is_no_instruction_is_not_read(
        #[case] tokens: &[&str],
        #[case] expected: CellFault,
    ) {
        for token in tokens {
            assert_eq!(read_cell(token, 0, 1), Err(expected), "{token}");
        }
    }

    #[test]
    fn a_chunk_is_written_by_its_place_along_the_model() {
        let schedule = ScheduleKind::Interleaved { num_chunks: 2 }.schedule(2, 2);
        assert_eq!(
            schedule.unwrap().to_csv(),
            "0F0,0F1,2F0,2F1,,2B0,,2B1,0B0,0B1\r\n\
             ,1F0,1F1,3F0,3B0,3F1,3B1,1B0,1B1,\r\n"
        );
    }

    #[test]
    fn what_never_runs_follows_after_the_last_slot() {
        let text = "stage 0 F0 B0 F1 B1\nstage 1 F0 F1 B0 B1";
        let stuck: Schedule = text.parse().unwrap();
        assert_eq!(stuck.to_csv(), "0F0,,0B0,0F1,0B1\r\n,1F0,1F1,1B0,1B1\r\n");
    }

    #[rstest]
    #[case::no_stage(0, "")]
    #[case::two_stages(2, "\"\"\r\n\"\"\r\n")]
    fn stages_that_run_nothing_are_written_as_python_does(
        #[case] num_stages: usize,
        #[case] csv: &str,
    ) {
        let schedule = Schedule::new(vec![vec![]; num_stages]);
        assert_eq!(schedule.to_csv(), csv);
        assert_eq!(Schedule::from_csv(csv), Ok(schedule));
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
            prop_assert_eq!(Schedule::from_csv(&schedule.to_csv()), Ok(schedule));
        }
    }
}
