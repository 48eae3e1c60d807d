//! burn-train's `Learner` trains a pipeline as it trains a model on one device.

mod evaluation;
mod failure;
mod items;
mod one_device;
mod resume;
mod stopping;
