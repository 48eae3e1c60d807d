use std::io::Write;

use burn_pipeline::{Gantt, Timeline};

use crate::{Args, Error, Experiment, Outcome, files, summary};

impl Outcome {
    /// Both timelines, by name.
    pub(crate) fn timelines(&self) -> [(&'static str, &Timeline); 2] {
        [("simulated", &self.simulated), ("measured", &self.measured)]
    }
}

/// Run every schedule, and report its order, its timelines and a summary to `out`.
///
/// # Errors
///
/// When the numbers do not make a pipeline, a step fails, or a drawing cannot be written.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let experiment = Experiment::new(args)?;
    writeln!(
        out,
        "{} layers of width {}, {} micro-batches of {} samples, {} stages of one thread.\n",
        args.layers, args.width, args.micro_batches, args.samples, args.stages
    )?;
    let mut outcomes = Vec::with_capacity(args.schedules.len());
    for kind in &args.schedules {
        let outcome = experiment.run(kind)?;
        writeln!(out, "{kind}\n{}\n", outcome.schedule)?;
        writeln!(out, "{}\n", Gantt::of(&outcome.timelines(), args.columns))?;
        if let Some(folder) = &args.draw {
            files::write(folder, &outcome)?;
        }
        outcomes.push(outcome);
    }
    summary::write(&outcomes, out)?;
    if let Some(folder) = &args.draw {
        writeln!(out, "\nThe drawings are in {}.", folder.display())?;
    }
    Ok(())
}
