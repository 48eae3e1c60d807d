//! From a model and devices to a plan to train by.

use std::fs;

use burn::tensor::Device;
use burn_pipeline::{
    Cluster, Plan, Planner, Profile, Profiler, measured_cluster, open_devices, profile_each,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{NUM_STAGES, even_threads};
use crate::batches::{Batch, training_batches};
use crate::{Args, Error, Text, cross_entropy};

/// What AdamW keeps of each parameter: two numbers.
const OPTIMIZER_BYTES: f64 = 2.0;

/// The flags of a run by the plan that `--auto` finds; it is printed, and saved where it is asked
/// for.
///
/// Stages get the threads that they were profiled with, an even share of the cores for each device
/// that is named, however many the plan chooses.
///
/// # Errors
///
/// When a device cannot be used, a layer fails, no plan fits, or the plan cannot be saved.
pub fn planned(args: &Args, text: &Text) -> Result<Args, Error> {
    let num_named = args.devices.split(',').count();
    let num_devices = if num_named == 1 {
        NUM_STAGES
    } else {
        num_named
    };
    let devices = open_devices(&args.devices, num_devices)?;
    let args = Args {
        threads_per_stage: args.threads_per_stage.or(Some(even_threads(num_devices))),
        ..args.clone()
    };

    let profiles = profile_each(&devices, |device, num_sharing| {
        profile(&args, text, device, num_sharing)
    })?;
    println!("{}\n", profiles[0]);
    let cluster = measured_cluster(&devices, &profiles)?;
    let plan = search(&args, &profiles[0], cluster)?;
    println!("{plan}\n");
    if let Some(path) = &args.planning.save_plan {
        let json = serde_json::to_string_pretty(&plan).expect("a plan is plain data");
        fs::write(path, json).map_err(|reason| Error::file("write", path, reason))?;
        println!("the plan is in {}\n", path.display());
    }

    let mut args = args;
    args.planning.plan = Some(plan);
    Ok(args)
}

fn search(args: &Args, profile: &Profile, cluster: Cluster) -> Result<Plan, Error> {
    let cluster = match args.planning.memory_limit {
        Some(mib) => cluster.with_memory_limit(mib.saturating_mul(1 << 20)),
        None => cluster,
    };
    let planner = Planner::new(profile, &cluster).with_optimizer_bytes(OPTIMIZER_BYTES);
    Ok(planner.plan(args.batch_size)?)
}

/// Micro-batches of a mini-batch in halves, quarters and so on, beside as many stages as share the
/// device.
fn profile(
    args: &Args,
    text: &Text,
    device: &Device,
    num_sharing: usize,
) -> Result<Profile, Error> {
    let Args {
        context,
        batch_size,
        seed,
        ..
    } = *args;
    let batches = training_batches(text.training(), context, batch_size, seed, 1, device);
    let batch = batches.iter().next().transpose()?;
    let Batch { inputs, targets } = batch.expect("a text has a mini-batch");
    let halves = std::iter::successors(Some(batch_size), |size| Some(size / 2));
    let profiler = Profiler::new()
        .with_num_samples(halves.take_while(|size| *size > 0))
        .with_threads_per_stage(Some(args.threads_per_stage()))
        .with_neighbours(num_sharing - 1);
    let profiler = match args.planning.live_bytes {
        Some(live_bytes) => profiler.with_live_bytes(live_bytes),
        None => profiler,
    };
    let profiler = match args.planning.peak_bytes {
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
    let model = args.model().init(device);
    let profile = profiler.profile_with_loss(&model, (inputs, targets), cross_entropy, device);
    bar.finish_and_clear();
    Ok(profile?)
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
