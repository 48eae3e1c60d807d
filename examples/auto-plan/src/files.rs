//! What is drawn and saved.

use std::fs;
use std::path::Path;

use burn_pipeline::{Plan, Profile, ProfileChart, Svg, Timeline};

use crate::Error;

/// Write the profile and a step to `folder`, as SVG; the folder is made.
pub fn draw(
    folder: &Path,
    profile: &Profile,
    timelines: &[(&'static str, &Timeline)],
) -> Result<(), Error> {
    write(
        folder,
        "profile.svg",
        &ProfileChart::new(profile).to_string(),
    )?;
    write(folder, "step.svg", &Svg::of(timelines).to_string())
}

/// Write the profile and the plan to `folder`, as JSON; the folder is made.
pub fn save(folder: &Path, profile: &Profile, plan: &Plan) -> Result<(), Error> {
    let profile = serde_json::to_string_pretty(profile);
    let profile = profile.expect("a profile is plain data");
    write(folder, "profile.json", &profile)?;
    let plan = serde_json::to_string_pretty(plan).expect("a plan is plain data");
    write(folder, "plan.json", &plan)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let path = folder.join(name);
    fs::write(&path, text).map_err(Error::file(&path))
}
