//! What stages compute in.

use burn_pipeline::Precision;
use clap::ValueEnum;
use serde::Serialize;

/// [`Precision`], as a flag and as a field of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    Full,
    Bf16,
    F16,
}

impl From<Numbers> for Precision {
    fn from(numbers: Numbers) -> Self {
        match numbers {
            Numbers::Full => Self::Full,
            Numbers::Bf16 => Self::BF16,
            Numbers::F16 => Self::F16,
        }
    }
}
