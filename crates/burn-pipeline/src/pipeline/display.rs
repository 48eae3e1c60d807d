//! A pipeline as text.

use core::fmt;

use burn::module::{DisplaySettings, ModuleDisplay};

use super::PipelineModule;

/// The text of the plain model, parameter counts and all.
impl<M: ModuleDisplay> fmt::Display for PipelineModule<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model().format(DisplaySettings::default()))
    }
}
