//! The program: from flags to the last line that it prints.

use burn::module::Module;
use burn_pipeline::{Gantt, Plan};

use crate::progress::Progress;
use crate::trace::GANTT_WIDTH;
use crate::{
    Args, Comparison, Error, Prediction, Recent, Text, TraceFiles, Training, planned, resume,
    sample, save, validation_loss,
};

/// How many bytes the model continues, and how many it makes up.
const PROMPT: usize = 64;
const SAMPLE: usize = 240;

/// Train as `args` say, and print what comes of it. The last two lines are the validation loss and
/// the unigram entropy, in nats per byte.
///
/// # Errors
///
/// When the flags, the text or a saved run do not fit, or a stage fails.
pub fn run(args: &Args) -> Result<(), Error> {
    args.check()?;
    let text = Text::read(args.text.as_deref())?;
    text.check(args.context, args.batch_size)?;

    let trace = args.trace.as_deref().map(TraceFiles::new).transpose()?;

    let planned = match args.planning.auto {
        true => Some(planned(args, &text)?),
        false => None,
    };
    let args = planned.as_ref().unwrap_or(args);

    let mut training = Training::new(args)?;
    if let Some(directory) = &args.resume {
        training = resume(training, args, directory)?;
        println!("going on after step {}", training.pipeline.num_steps());
    }
    if trace.is_some() {
        Prediction::check(args.steps - training.pipeline.num_steps() as usize)?;
    }
    introduce(&training, &text, args);

    let (training, recent) = train(training, &text, args)?;
    save(&training, args, &args.save)?;
    println!("saved in {}\n", args.save.display());

    if let Some((timeline, _)) = recent.split_last() {
        println!("the last step:\n{}\n", Gantt::new(timeline, GANTT_WIDTH));
    }
    if let (Some(plan), Some(taken)) = (&args.planning.plan, recent.median()) {
        println!("{}\n", kept_promise(plan, taken));
    }
    if let Some(files) = trace {
        let prediction = Prediction::of(&recent, |part| bytes(&training, args, part))?;
        files.write(&prediction)?;
        println!("{prediction}\ndrawn in {files}\n");
    }
    print_sample(&training, &text, args)?;

    let loss = validation_loss(&training.pipeline, text.held_out(), args)?;
    println!("to the last bit, the validation loss is {loss:?}");
    println!("validation loss {loss:.6}");
    println!("unigram entropy {:.6}", text.unigram_entropy());
    Ok(())
}

/// The bytes of the boundary that a part of the model receives, and about those that it keeps, for
/// one micro-batch.
fn bytes(training: &Training, args: &Args, part: usize) -> (u64, u64) {
    let num_samples = args.batch_size.div_ceil(args.num_micro_batches());
    let mut parts = training.pipeline.partition().stages();
    let layers = parts.nth(part).expect("each part of the model has layers");
    let model = args.model();
    (
        model.boundary_bytes(layers.start, num_samples),
        model.kept_bytes(layers, num_samples),
    )
}

/// What a step was planned to take, beside what the median step took.
fn kept_promise(plan: &Plan, taken: f64) -> String {
    let planned = plan.step_seconds();
    format!(
        "a step was planned to take {:.1} ms, and took {:.1} ms in the median ({:+.1} %)",
        1e3 * planned,
        1e3 * taken,
        100.0 * (taken / planned - 1.0),
    )
}

fn introduce(training: &Training, text: &Text, args: &Args) {
    let pipeline = &training.pipeline;
    println!(
        "text: {} bytes to train on, {} held out",
        text.training().len(),
        text.held_out().len()
    );
    println!("model: {} parameters", pipeline.num_params());
    let devices = pipeline.stage_devices();
    for (stage, device) in devices.iter().enumerate() {
        // Parts go round the stages.
        let parts = pipeline.partition().stages();
        let parts = parts.skip(stage).step_by(devices.len());
        let layers: Vec<_> = parts.map(|layers| format!("{layers:?}")).collect();
        println!(
            "stage {stage}: layers {} on {device:?}, threads: {}",
            layers.join(" and "),
            args.threads_per_stage()
        );
    }
}

/// Take the steps that are left, and return the timelines of the last ones as well.
fn train(mut training: Training, text: &Text, args: &Args) -> Result<(Training, Recent), Error> {
    let done = training.pipeline.num_steps() as usize;
    let batches = training.batches(text, args);
    let comparison = args.compare.then(|| Comparison::new(&training, args.seed));
    let mut comparison = comparison.transpose()?;
    let mut progress = Progress::new(args.steps, done, args.batch_size * args.context);
    let mut recent = Recent::default();
    for batch in batches.iter() {
        let batch = batch?;
        let step = training.gradients(batch.clone())?;
        let loss = step.loss.clone().try_into_scalar::<f32>()?;
        if !loss.is_finite() {
            return Err(Error::Options(format!(
                "the loss is {loss} in step {}, so training has diverged: lower --learning-rate {}",
                training.pipeline.num_steps(),
                args.learning_rate
            )));
        }
        if let Some(plain) = comparison {
            comparison = Some(plain.step(batch, &step)?);
        }
        progress.step(loss);
        training = training.update(step.grads)?;
        recent.push(step.timeline);
    }

    println!("{}", progress.finish());
    if let Some(comparison) = comparison {
        println!("{comparison}");
    }
    Ok((training, recent))
}

/// Let the model go on with the held out part.
fn print_sample(training: &Training, text: &Text, args: &Args) -> Result<(), Error> {
    let held_out = text.held_out();
    let prompt = &held_out[..PROMPT.min(held_out.len())];
    let sample = sample(&training.pipeline, prompt, SAMPLE, args)?;
    println!(
        "the first {} bytes held out, and | what the model makes of them:\n{}|{}\n",
        prompt.len(),
        printable(prompt),
        printable(&sample)
    );
    Ok(())
}

/// The bytes as text that does nothing to a terminal.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|it| match it.is_control() && it != '\n' {
            true => char::REPLACEMENT_CHARACTER,
            false => it,
        })
        .collect()
}
