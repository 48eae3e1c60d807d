//! A model as a sequence of layers.

mod base;
mod check;
mod lift;
mod nn;
mod ranked;
mod sequential;

pub use base::Layer;
pub use check::Feeds;
pub use lift::{Lift, lift};
pub use ranked::{RankFree, Ranked, ranked};
pub use sequential::{LayerMapper, LayerVisitor, Sequential};
