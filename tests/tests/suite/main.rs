//! What burn-pipeline promises, on real devices.

mod transparency;
