//! The kinds of layers that can be split along more than their samples.

mod attention;
mod base;
mod batch_norm;
mod columns;
mod known;
mod recognise;
mod simple;
mod sliding;
mod window;
mod windows;

pub(crate) use base::{Kind, Part, Parts};

pub(crate) use crate::shard::parameters::ParameterBytes;
pub(crate) use recognise::kind_of;
