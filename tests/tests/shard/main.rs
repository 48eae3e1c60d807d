//! Layer-wise parallelism: a model in parts does what the whole model does.

mod attention;
mod batch_norm;
mod channels;
mod errors;
mod graph;
mod groups;
mod module;
mod pooling;
mod random;
mod redistribution;
mod samples;
mod stage;
mod stage_kinds;
mod support;
mod training;
mod windows;
