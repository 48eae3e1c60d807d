//! Devices that not every machine has: GPUs or software drivers for them, servers, and mixtures.
//!
//! `BURN_PIPELINE_DEVICES` says which are there: lists as `open_devices` takes them, with spaces
//! between, `wgpu:cpu wgpu:cpu,flex` say. One that cannot be opened is a failure. Without the
//! variable, the tests take what the machine has, which may be the CPU alone.

mod alone;
mod connecting;
mod flat;
mod frozen;
mod full;
mod group;
mod hand_over;
mod killed;
mod lists;
mod losing;
mod profiling;
mod servers;
mod sharding;
mod transfers;
mod transparency;
