use std::path::{Path, PathBuf};

use thiserror::Error;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a run was not saved. What was saved before is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The file system refused, or a parameter could not be read from its device.
    #[error("cannot write {}: {cause}. What was saved before is as it was", .path.display())]
    File {
        /// What was to be written.
        path: PathBuf,
        /// Why it was not.
        #[source]
        cause: Cause,
    },

    /// A device does not answer, so what is on it cannot be saved.
    #[error("{reason}. What was saved before is as it was")]
    Device {
        /// Which device, and why.
        reason: String,
    },

    /// The run is in its place, but the file system did not say that it is there for good.
    #[error("the run is saved in {}, but may not outlast a power cut: {cause}. Save again", .path.display())]
    Unsynced {
        /// The directory.
        path: PathBuf,
        /// Why it is not for sure.
        #[source]
        cause: Cause,
    },

    /// What the user gave to be saved with the run is not data for JSON.
    #[error("`extra` cannot be written as JSON: {0}")]
    Extra(#[source] serde_json::Error),
}

/// Why a run cannot go on from what was saved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The directory is not there, or no run was ever saved in it to the end.
    #[error("no run is saved in {}: begin a new one, or give the directory of another", .directory.display())]
    Nothing {
        /// Where it was looked for.
        directory: PathBuf,
    },

    /// A file cannot be read, or is not for this model.
    #[error("cannot load {}: {cause}", .path.display())]
    File {
        /// What was read.
        path: PathBuf,
        /// Why it cannot be used.
        #[source]
        cause: Cause,
    },

    /// A later version of this crate has saved the run.
    #[error(
        "the run is saved in format {found}, but this version reads formats up to {supported}: use the version that saved it, or a later one"
    )]
    Format {
        /// The format of the file.
        found: u64,
        /// The latest that can be read.
        supported: u64,
    },

    /// The pipeline would draw other random numbers than the run did.
    #[error(
        "the run was saved with seed {saved}, but the pipeline is configured with seed {configured}: make it with `with_seed({saved})`"
    )]
    Seed {
        /// The seed of the run.
        saved: u64,
        /// That of the pipeline.
        configured: u64,
    },

    /// What the user saved with the run is not what is asked for.
    #[error("`extra` in {} is of another type: {cause}", .path.display())]
    Extra {
        /// What was read.
        path: PathBuf,
        /// How it differs.
        #[source]
        cause: serde_json::Error,
    },
}

impl SaveError {
    pub(super) fn unsynced(path: &Path, cause: impl Into<Cause>) -> Self {
        Self::Unsynced {
            path: path.to_path_buf(),
            cause: cause.into(),
        }
    }

    pub(super) fn file(path: &Path, cause: impl Into<Cause>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            cause: cause.into(),
        }
    }
}

impl LoadError {
    pub(super) fn file(path: &Path, cause: impl Into<Cause>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            cause: cause.into(),
        }
    }
}
