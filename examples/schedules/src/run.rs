use std::io::Write;

use burn_pipeline::{Gantt, Timeline, forward_only};

use crate::{Args, Error, Experiment, Outcome, files, summary};

impl Outcome {
    /// Both timelines, by name.
    pub(crate) fn timelines(&self) -> [(&'static str, &Timeline); 2] {
        [("simulated", &self.simulated), ("measured", &self.measured)]
    }
}

/// What `PipelineModule::forward` does: it has no timeline of its own, so this one is of slots.
fn inference(args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let schedule = forward_only(args.stages, 1, args.micro_batches)?;
    let timeline = Timeline::of_slots(&schedule)?;
    let drawing = Gantt::new(&timeline, args.columns);
    Ok(writeln!(out, "inference\n{schedule}\n\n{drawing}\n")?)
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
    inference(args, out)?;
    summary::write(&outcomes, out)?;
    if let Some(folder) = &args.draw {
        writeln!(out, "\nThe drawings are in {}.", folder.display())?;
    }
    Ok(())
}
