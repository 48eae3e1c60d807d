//! What burn-pipeline promises, on real devices.

mod averages;
mod compile_fail;
mod derive_sequential;
mod derive_signal;
mod devices;
mod failure;
mod gathered;
mod gradients;
mod group;
mod hazards;
mod inference;
mod learner;
mod losses;
mod optimizer;
mod partial;
mod pipeline_optimizer;
mod placement;
mod precision;
mod profile;
mod records;
mod saving;
mod schedules;
mod signals;
mod threads;
mod tied_devices;
mod transparency;
