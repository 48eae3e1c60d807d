//! The files that `--trace` names, and what is drawn in each.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use burn_pipeline::{ChromeTrace, Gantt, Svg};

use crate::{Error, Prediction};

/// How wide drawings of text are, in columns.
pub(crate) const GANTT_WIDTH: usize = 100;

/// Files to draw timelines in, each in the form that its ending says.
#[derive(Debug, Clone)]
pub struct TraceFiles {
    files: Vec<(PathBuf, Form)>,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Svg,
    Chrome,
    Text,
}

impl TraceFiles {
    /// The file `path`, or one of each form beside each other where it ends in none of them.
    ///
    /// # Errors
    ///
    /// When the folder that they would be in does not exist.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(path);
        if !folder.as_os_str().is_empty() && !folder.is_dir() {
            let folder = folder.display();
            let reason = format!("there is no folder {folder}: make it, or name another one");
            return Err(Error::file("write", path, reason));
        }
        let named = Form::ALL.into_iter().find(|form| {
            let ending = path.extension();
            ending.is_some_and(|it| it == form.ending())
        });
        let files = match named {
            Some(form) => vec![(path.to_path_buf(), form)],
            None => Form::ALL.map(|form| (form.beside(path), form)).into(),
        };
        Ok(Self { files })
    }

    /// Draw what was predicted and what was measured in each of the files, one above the other on
    /// one time axis. The Chrome trace counts about what the stages keep as well.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write(&self, prediction: &Prediction) -> Result<(), Error> {
        for (path, form) in &self.files {
            fs::write(path, form.draw(prediction) + "\n")
                .map_err(|error| Error::file("write", path, error))?;
        }
        Ok(())
    }
}

impl fmt::Display for TraceFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.files.iter();
        let paths: Vec<_> = paths.map(|(path, _)| path.display().to_string()).collect();
        f.write_str(&paths.join(", "))
    }
}

impl Form {
    const ALL: [Self; 3] = [Self::Svg, Self::Chrome, Self::Text];

    fn ending(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Chrome => "json",
            Self::Text => "txt",
        }
    }

    /// `path` with the ending added.
    fn beside(self, path: &Path) -> PathBuf {
        let mut path = OsString::from(path);
        path.push(".");
        path.push(self.ending());
        path.into()
    }

    fn draw(self, prediction: &Prediction) -> String {
        let timelines = prediction.timelines();
        match self {
            Self::Svg => Svg::of(&timelines).to_string(),
            Self::Chrome => {
                let memories = prediction.memories();
                let trace = ChromeTrace::of(&timelines).with_memory(&memories.each_ref());
                trace.to_string()
            }
            Self::Text => Gantt::of(&timelines, GANTT_WIDTH).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &str) -> String {
        TraceFiles::new(Path::new(path)).unwrap().to_string()
    }

    #[test]
    fn a_file_that_ends_in_no_form_stands_for_one_of_each() {
        assert_eq!(files("step.svg"), "step.svg");
        assert_eq!(files("src/step.json"), "src/step.json");
        assert_eq!(files("step.txt"), "step.txt");
        assert_eq!(files("step.v2"), "step.v2.svg, step.v2.json, step.v2.txt");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = TraceFiles::new(Path::new("no/such/step.svg")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot write no/such/step.svg: there is no folder no/such: make it, or name another one"
        );
    }
}
