//! Drawings on disk.

use std::fs;
use std::path::Path;

use burn_pipeline::{ChromeTrace, ScheduleKind, Svg};

use crate::{Error, Outcome};

/// Write an outcome's timelines to `folder`, as SVG and as a Chrome trace; the folder is made.
pub fn write(folder: &Path, outcome: &Outcome) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let name = match outcome.kind {
        ScheduleKind::Custom(_) => "custom".to_string(),
        _ => outcome.kind.to_string().replace(':', "-"),
    };
    let timelines = outcome.timelines();
    let memories = timelines.map(|(_, timeline)| outcome.costs.memory(timeline));
    let trace = ChromeTrace::of(&timelines).with_memory(&memories.each_ref());
    for (extension, text) in [
        ("svg", Svg::of(&timelines).to_string()),
        ("json", trace.to_string()),
    ] {
        let path = folder.join(&name).with_extension(extension);
        fs::write(&path, text).map_err(Error::file(&path))?;
    }
    Ok(())
}
