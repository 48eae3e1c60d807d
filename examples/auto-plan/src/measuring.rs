//! What the layers cost on each device, and the devices as a planner sees them.

use std::iter::successors;

use burn::tensor::Device;
use burn_pipeline::{Cluster, Profile, Profiler, measured_cluster, profile_each};
use indicatif::{ProgressBar, ProgressStyle};

use crate::model::{Network, cross_entropy};
use crate::pictures::Pictures;
use crate::{Args, Error};

/// The profile of the model on the first device, and all devices with their speed beside it.
pub fn measure(
    args: &Args,
    model: &Network,
    batch: &Pictures,
    devices: &[Device],
) -> Result<(Profile, Cluster), Error> {
    let mut profiles = profile_each(devices, |device, num_sharing| {
        profile(args, model, batch, device, num_sharing)
    })?;
    let cluster = measured_cluster(devices, &profiles)?;
    let cluster = match args.memory_limit {
        Some(mib) => cluster.with_memory_limit(mib.saturating_mul(1 << 20)),
        None => cluster,
    };
    Ok((profiles.swap_remove(0), cluster))
}

/// With micro-batches of the whole mini-batch, a half, a quarter and so on, beside as many stages as
/// share the device.
fn profile(
    args: &Args,
    model: &Network,
    batch: &Pictures,
    device: &Device,
    num_sharing: usize,
) -> Result<Profile, Error> {
    let halves = successors(Some(args.batch_size), |size| Some(size / 2));
    let profiler = Profiler::new()
        .with_num_samples(halves.take_while(|size| *size > 0))
        .with_repetitions(args.sweeps)
        .with_threads_per_stage(Some(1))
        .with_neighbours(num_sharing - 1);
    let profiler = match args.live_bytes {
        Some(live_bytes) => profiler.with_live_bytes(live_bytes),
        None => profiler,
    };
    let profiler = match args.peak_bytes {
        Some(peak_bytes) => profiler.with_peak_bytes(peak_bytes),
        None => profiler,
    };
    let bar = bar();
    let shown = bar.clone();
    let profiler = profiler.with_progress(move |done, all, layer| {
        shown.set_length(all as u64);
        shown.set_position(done as u64);
        shown.set_message(layer.to_string());
    });
    let Pictures { pictures, kinds } = batch.clone();
    let profile = profiler.profile_with_loss(model, (pictures, kinds), cross_entropy, device);
    bar.finish_and_clear();
    Ok(profile?)
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("profile {bar:30} {pos}/{len} {msg} ({eta} left)");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
