//! A run on disk: weights, optimizer, and how far it came.

use std::fs;
use std::path::Path;

use burn::config::Config;
use burn::module::Module;

use crate::model::GptConfig;
use crate::training::Training;
use crate::{Args, Error};

const WEIGHTS: &str = "weights.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const RUN: &str = "run.json";

/// What a saved run says of itself. Nothing in it depends on the number of stages.
#[derive(Config, Debug)]
struct Run {
    model: GptConfig,
    num_steps: u64,
}

/// Save `training` in `directory`, over a run that is there already.
///
/// # Errors
///
/// When a file cannot be written.
pub fn save(training: &Training, args: &Args, directory: &Path) -> Result<(), Error> {
    fs::create_dir_all(directory).map_err(|error| Error::file("create", directory, error))?;

    let weights = directory.join(WEIGHTS);
    let model = training.pipeline.clone();
    model
        .save_file(&weights)
        .map_err(|error| Error::file("write", &weights, error))?;

    let optimizer = directory.join(OPTIMIZER);
    training
        .optimizer
        .save(&optimizer)
        .map_err(|error| Error::file("write", &optimizer, error))?;

    let run = directory.join(RUN);
    Run::new(args.model(), training.pipeline.num_steps())
        .save(&run)
        .map_err(|error| Error::file("write", &run, error))
}

/// Make `training` the run that is saved in `directory`.
///
/// # Errors
///
/// When a file cannot be read, the saved model has another shape, or it has been trained for as
/// many steps as this run is to take.
pub fn resume(mut training: Training, args: &Args, directory: &Path) -> Result<Training, Error> {
    let path = directory.join(RUN);
    let run = Run::load(&path).map_err(|error| Error::file("read", &path, error))?;
    check(&run, args, directory)?;

    let path = directory.join(WEIGHTS);
    training.pipeline = training
        .pipeline
        .try_load_file(&path)
        .map_err(|error| Error::file("read", &path, error))?;

    let path = directory.join(OPTIMIZER);
    training.optimizer = training
        .optimizer
        .load(&path)
        .map_err(|error| Error::file("read", &path, error))?;

    training.skip(run.num_steps);
    Ok(training)
}

fn check(run: &Run, args: &Args, directory: &Path) -> Result<(), Error> {
    let directory = directory.display();
    let (saved, asked) = (&run.model, args.model());
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
    if saved.tie_embeddings != asked.tie_embeddings {
        return Err(Error::Options(match saved.tie_embeddings {
            true => format!("{directory} has tied embeddings: give --tie-embeddings to go on"),
            false => format!(
                "{directory} has embeddings that are not tied: leave --tie-embeddings out to go on"
            ),
        }));
    }
    if run.num_steps >= args.steps as u64 {
        return Err(Error::Options(format!(
            "{directory} has been trained for {} steps and --steps is {}, so there is nothing left to do: raise --steps",
            run.num_steps, args.steps
        )));
    }
    Ok(())
}
