//! All outcomes side by side.

use std::io::{self, Write};

use burn_pipeline::Timeline;

use crate::Outcome;

/// Print one line per outcome: what is in flight on the first stage, then bubble and makespan,
/// simulated and measured.
pub fn write(outcomes: &[Outcome], out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:18}  {:>9}  {:>16}  {:>16}",
        "", "in flight", "simulated", "measured"
    )?;
    for outcome in outcomes {
        writeln!(
            out,
            "{:18}  {:>9}  {:>16}  {:>16}  {:+.1} %",
            outcome.kind.to_string(),
            outcome.schedule.peak_in_flight(0),
            cell(&outcome.simulated),
            cell(&outcome.measured),
            100.0 * (outcome.measured.makespan() / outcome.simulated.makespan() - 1.0),
        )?;
    }
    Ok(())
}

fn cell(timeline: &Timeline) -> String {
    format!(
        "{:.1} ms, {:.1} %",
        1e3 * timeline.makespan(),
        100.0 * timeline.bubble_share()
    )
}
