//! The files of a saved run, and the order in which they are written.
//!
//! ```text
//! 1 weights-7.bpk, optimizer-7.bpk, ema-7.bpk    written and synced, beside those of save 6
//! 2 run.json.new                                 written and synced: it names the files of 1
//! 3 the directory                                synced: all of these are there for good
//! 4 run.json.new ─► run.json                     the switch: one rename, which is atomic
//! 5 the directory                                synced: save 6 is not needed any more
//! 6 weights-6.bpk, optimizer-6.bpk, ema-6.bpk    removed
//! ```
//!
//! Whatever `run.json` names is whole. Before 4 that is save 6, after it save 7; files that it does
//! not name are leftovers of a save that was cut short, which the next one removes (6).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use burn_pack::Writer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LoadError, SaveError};

/// The format of what is written.
pub(super) const FORMAT: u64 = 1;
const RUN: &str = "run.json";
const NEXT_RUN: &str = "run.json.new";
const KINDS: [&str; 3] = ["weights", "optimizer", "ema"];

/// What `run.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) format: u64,
    pub(super) num_steps: u64,
    pub(super) seed: u64,
    pub(super) weights: String,
    pub(super) optimizer: String,
    pub(super) ema: Option<String>,
    pub(super) extra: Value,
}

/// A change of the file system that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Write,
    Sync,
    Switch,
    Remove,
}

/// A directory at work. `before` hears of each change, and can stop it.
pub(super) struct Directory<'a> {
    pub(super) path: &'a Path,
    pub(super) before: &'a mut dyn FnMut(Change, &Path) -> io::Result<()>,
}

/// What a save is made of.
pub(super) struct Contents {
    pub(super) weights: Writer,
    pub(super) optimizer: Writer,
    pub(super) ema: Option<Writer>,
    pub(super) num_steps: u64,
    pub(super) seed: u64,
    pub(super) extra: Value,
}

/// The run that is saved in `directory`.
pub(super) fn read_run(directory: &Path) -> Result<Run, LoadError> {
    let path = run_path(directory);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(LoadError::Nothing {
                directory: directory.to_path_buf(),
            });
        }
        Err(error) => return Err(LoadError::file(&path, error)),
    };
    let run: Value = serde_json::from_str(&text).map_err(|error| LoadError::file(&path, error))?;
    match run.get("format").and_then(Value::as_u64) {
        Some(found) if found > FORMAT => Err(LoadError::Format {
            found,
            supported: FORMAT,
        }),
        _ => serde_json::from_value(run).map_err(|error| LoadError::file(&path, error)),
    }
}

pub(super) fn run_path(directory: &Path) -> PathBuf {
    directory.join(RUN)
}

impl Directory<'_> {
    pub(super) fn save(&mut self, contents: Contents) -> Result<(), SaveError> {
        let directory = self.path;
        fs::create_dir_all(directory).map_err(|error| SaveError::file(directory, error))?;
        let numbered = self
            .numbered()
            .map_err(|error| SaveError::file(directory, error))?;
        let number = 1 + numbered
            .iter()
            .map(|(_, number)| *number)
            .max()
            .unwrap_or(0);

        let weights = self.write("weights", number, contents.weights)?;
        let optimizer = self.write("optimizer", number, contents.optimizer)?;
        let ema = contents.ema.map(|ema| self.write("ema", number, ema));
        let run = Run {
            format: FORMAT,
            num_steps: contents.num_steps,
            seed: contents.seed,
            weights,
            optimizer,
            ema: ema.transpose()?,
            extra: contents.extra,
        };
        self.switch(&run)?;

        // The save has been made. What cannot be removed now is by the next one.
        for (path, _) in numbered {
            (self.before)(Change::Remove, &path).map_err(|error| SaveError::file(&path, error))?;
            let _ = fs::remove_file(&path);
        }
        Ok(())
    }

    fn write(&mut self, kind: &str, number: u64, writer: Writer) -> Result<String, SaveError> {
        let name = format!("{kind}-{number}.bpk");
        let path = self.path.join(&name);
        (self.before)(Change::Write, &path).map_err(|error| SaveError::file(&path, error))?;
        match writer.write_to_file(&path) {
            Ok(()) => Ok(name),
            Err(error) => Err(SaveError::file(&path, error.to_string())),
        }
    }

    fn switch(&mut self, run: &Run) -> Result<(), SaveError> {
        let next = self.path.join(NEXT_RUN);
        let mut switch = || -> io::Result<()> {
            (self.before)(Change::Write, &next)?;
            let text = serde_json::to_string_pretty(run)?;
            let mut file = File::create(&next)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            drop(file);

            (self.before)(Change::Sync, self.path)?;
            sync_directory(self.path)?;
            (self.before)(Change::Switch, &next)?;
            fs::rename(&next, run_path(self.path))
        };
        switch().map_err(|error| SaveError::file(&next, error))?;

        (self.before)(Change::Sync, self.path)
            .and_then(|()| sync_directory(self.path))
            .map_err(|error| SaveError::unsynced(self.path, error))
    }

    /// The files of saves, and half-written ones beside them, with the numbers of their saves.
    /// A directory that cannot be listed is no empty one: the run in it would be written over.
    fn numbered(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut numbered = Vec::new();
        for entry in fs::read_dir(self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            numbered.extend(
                name.to_str()
                    .and_then(number_of)
                    .map(|number| (entry.path(), number)),
            );
        }
        Ok(numbered)
    }
}

/// The number in `<kind>-<number>.bpk`, or in the name that such a file has while it is written.
fn number_of(name: &str) -> Option<u64> {
    let (kind, rest) = name.split_once('-')?;
    let (number, rest) = rest.split_once(".bpk")?;
    let whole = rest.is_empty() || rest.ends_with(".tmp");
    (KINDS.contains(&kind) && whole).then(|| number.parse().ok())?
}

/// Names in a directory are safe once it is synced, where a file system knows of that.
fn sync_directory(path: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(path)?.sync_all(),
        false => Ok(()),
    }
}
