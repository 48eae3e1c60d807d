//! Running the layers of a stage more than once with the same result.

mod copies;
mod facts;
mod norm_states;
mod norms;
mod random;
mod statistics;
mod warning;

pub use random::RandomLayers;

pub(crate) use copies::{OwnLayers, Pass, StageCopies};
pub(crate) use facts::LayerFacts;
pub(crate) use norms::{Decays, Norms};
pub(crate) use random::{Draw, generator};
pub(crate) use statistics::Statistics;
pub(crate) use warning::warn_of_lock;
