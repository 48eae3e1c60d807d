//! Small models, each with a plain forward that is the reference.

mod mlp;

pub use mlp::{Mlp, mlp};
