//! The program: from flags to the last line that it prints.

use std::io::Write;

use burn::module::Module;
use burn_pipeline::Sequential;

use crate::progress::Progress;
use crate::{Args, Error, Traffic, Training, training_batches, validate};

/// Train as `args` say, and report to `out` what comes of it: what a step moves by either route,
/// the losses, and how well the model tells shapes from background, before and after.
///
/// # Errors
///
/// When the flags do not fit each other or the model, or a stage fails.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Error> {
    args.check()?;
    let training = Training::new(args)?;
    let batches = training_batches(args, &training.first_device());
    introduce(&training, args, out)?;

    if let Some(batch) = batches.slice(0, args.batch_size).iter().next() {
        writeln!(out, "\n{}\n", Traffic::measure(args, &batch?)?)?;
    }
    let before = validate(&training.pipeline, args)?;
    writeln!(out, "before training: {before}")?;
    let (training, bytes) = train(training, args, out)?;
    writeln!(
        out,
        "after training: {}",
        validate(&training.pipeline, args)?
    )?;
    writeln!(
        out,
        "bytes received in the last step: {bytes}, {}",
        match args.through_stages {
            true => "through the stages",
            false => "with skips",
        }
    )?;
    Ok(())
}

fn introduce(training: &Training, args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let pipeline = &training.pipeline;
    writeln!(
        out,
        "model: {} parameters in {} layers, cut as {}\n\
         {}, {} micro-batches of pictures of {} by {}, recomputed: {}",
        pipeline.num_params(),
        pipeline.inner().num_layers(),
        pipeline.partition(),
        args.schedule,
        args.micro_batches,
        args.size,
        args.size,
        args.rematerialization
    )?;
    Ok(())
}

/// Take all steps, and return the bytes that stages received in the last one as well.
fn train(
    mut training: Training,
    args: &Args,
    out: &mut impl Write,
) -> Result<(Training, u64), Error> {
    let batches = training_batches(args, &training.first_device());
    let progress = Progress::new(args.steps, args.batch_size);
    let (mut first, mut last, mut bytes) = (None, f32::NAN, 0);
    for batch in batches.iter() {
        let step = training.gradients(batch?)?;
        last = step.loss.clone().try_into_scalar::<f32>()?;
        if !last.is_finite() {
            return Err(Error::Options(format!(
                "the loss is {last} in step {}, so training has diverged: lower --learning-rate {}",
                training.pipeline.num_steps(),
                args.learning_rate
            )));
        }
        first.get_or_insert(last);
        bytes = step.bytes_received.iter().sum();
        progress.step(last);
        training = training.update(step.grads);
    }
    writeln!(out, "{}", progress.finish())?;
    writeln!(
        out,
        "loss {:.4} in the first step, {last:.4} in the last",
        first.unwrap_or(last)
    )?;
    Ok((training, bytes))
}
