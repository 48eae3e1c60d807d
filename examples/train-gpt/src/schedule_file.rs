//! A schedule of the user's own, from a file.

use std::error::Error;
use std::fs;

use burn_pipeline::{Schedule, validate};

/// The schedule in the file `path`, in CSV where it ends in `.csv` and in the text form otherwise.
///
/// # Errors
///
/// When the file cannot be read, is no schedule, or is one that cannot run.
pub(crate) fn read_schedule(path: &str) -> Result<Schedule, Box<dyn Error + Send + Sync>> {
    let text = fs::read_to_string(path)?;
    let schedule = match path.ends_with(".csv") {
        true => Schedule::from_csv(&text)?,
        false => text.parse()?,
    };
    validate(&schedule)?;
    Ok(schedule)
}
