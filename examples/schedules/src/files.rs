//! Drawings on disk.

use std::fs;
use std::path::Path;

use burn_pipeline::{ChromeTrace, Svg};

use crate::{Error, Outcome};

/// Write an outcome's timelines to `folder`, as SVG and as a Chrome trace; the folder is made.
pub fn write(folder: &Path, outcome: &Outcome) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let name = outcome.kind.to_string().replace(':', "-");
    let timelines = outcome.timelines();
    for (extension, text) in [
        ("svg", Svg::of(&timelines).to_string()),
        ("json", ChromeTrace::of(&timelines).to_string()),
    ] {
        let path = folder.join(&name).with_extension(extension);
        fs::write(&path, text).map_err(Error::file(&path))?;
    }
    Ok(())
}
