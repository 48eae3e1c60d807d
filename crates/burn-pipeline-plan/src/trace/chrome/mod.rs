//! Writes timelines for the trace viewers of Chrome and Perfetto.

mod arrows;
mod base;
mod counters;
mod event;
mod slices;
mod tracks;

#[cfg(test)]
mod tests;

pub use base::ChromeTrace;
