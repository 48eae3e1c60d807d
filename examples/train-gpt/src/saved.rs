//! A run on disk: weights, optimizer, and how far it came.

use std::path::Path;

use burn_pipeline::{LoadError, Loaded, Saved};

use crate::model::GptConfig;
use crate::training::Training;
use crate::{Args, Error};

/// Save `training` in `directory`, in the place of a run that is there already. Nothing in it
/// depends on the number of stages.
///
/// # Errors
///
/// When a file cannot be written.
pub fn save(training: &Training, args: &Args, directory: &Path) -> Result<(), Error> {
    let Training {
        pipeline,
        optimizer,
        ..
    } = training;
    Saved::new(directory).save(pipeline, optimizer, None, &args.model())?;
    Ok(())
}

/// Make `training` the run that is saved in `directory`.
///
/// # Errors
///
/// When a file cannot be read, the saved model has another shape, or it has been trained for as
/// many steps as this run is to take.
pub fn resume(training: Training, args: &Args, directory: &Path) -> Result<Training, Error> {
    let saved = Saved::new(directory);
    check(&saved.extra::<GptConfig>()?, args, directory)?;
    let Loaded {
        pipeline,
        optimizer,
        ..
    } = saved
        .load::<_, GptConfig>(training.pipeline, training.optimizer)
        .map_err(|error| match error {
            LoadError::Seed { saved, configured } => Error::Options(format!(
                "{} was trained with --seed {saved}, but this run has --seed {configured}: give --seed {saved} to go on",
                directory.display()
            )),
            error => error.into(),
        })?;

    let num_steps = pipeline.num_steps();
    if num_steps >= args.steps as u64 {
        return Err(Error::Options(format!(
            "{} has been trained for {num_steps} steps and --steps is {}, so there is nothing left to do: raise --steps",
            directory.display(),
            args.steps
        )));
    }
    let mut training = Training {
        pipeline,
        optimizer,
        rates: training.rates,
    };
    training.skip(num_steps);
    Ok(training)
}

fn check(saved: &GptConfig, args: &Args, directory: &Path) -> Result<(), Error> {
    let directory = directory.display();
    let asked = args.model();
    for (flag, saved, asked) in [
        ("--layers", saved.num_blocks, asked.num_blocks),
        ("--width", saved.width, asked.width),
        ("--heads", saved.num_heads, asked.num_heads),
        ("--context", saved.context, asked.context),
    ] {
        if saved != asked {
            return Err(Error::Options(format!(
                "{directory} has a model of {flag} {saved}, but this run has {flag} {asked}: give {flag} {saved} to go on"
            )));
        }
    }
    match (saved.tie_embeddings, asked.tie_embeddings) {
        (true, false) => Err(Error::Options(format!(
            "{directory} has tied embeddings: give --tie-embeddings to go on"
        ))),
        (false, true) => Err(Error::Options(format!(
            "{directory} has embeddings that are not tied: leave --tie-embeddings out to go on"
        ))),
        _ => Ok(()),
    }
}
