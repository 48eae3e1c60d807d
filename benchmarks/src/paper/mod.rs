//! Predictions for the tables of GPipe (Huang et al., 2018), beside the published figures.

mod amoebanet;
mod described;
mod largest;
mod published;
mod throughput;
mod transformer;

use std::error::Error;

use clap::Args;

use crate::report::Report;

/// The flags of `paper`: none.
#[derive(Args)]
pub struct Paper {}

impl Paper {
    /// Predict and report.
    ///
    /// # Errors
    ///
    /// When a described model cannot be cut as the paper cuts it.
    pub fn run(&self, report: &Report) -> Result<(), Box<dyn Error>> {
        largest::run(report)?;
        throughput::run(report)
    }
}
