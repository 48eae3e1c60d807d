//! Speed, memory and scale of burn-pipeline, beside plain Burn and the closed forms.
//!
//! One subcommand per question; `--json` prints one object per result instead of a table. The
//! README of this folder says what each number means.

mod clipping;
mod devices;
mod dropout;
mod layerwise;
#[cfg(feature = "remote")]
mod limits;
mod measure;
mod memory;
mod models;
mod numbers;
mod optimizer;
mod paper;
mod planner;
#[cfg(feature = "remote")]
mod remote;
mod report;
mod scaling;
mod schedules;
#[cfg(feature = "remote")]
mod servers;
mod settle;
mod simulation;
mod skips;
mod throughput;

use std::error::Error;
use std::process::ExitCode;

use burn_pipeline::available_devices;
use clap::{Parser, Subcommand};
use peak_alloc::PeakAlloc;

use crate::devices::Devices;
use crate::report::Report;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
    /// Print one JSON object per result.
    #[arg(long, global = true)]
    json: bool,
    /// How often each configuration runs; the median counts.
    #[arg(long, global = true, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..))]
    repetitions: u64,
    /// Devices of the stages, separated by commas, as `cuda:0,cuda:1`: one for all stages, or of
    /// several the first as many.
    #[arg(long, global = true, value_name = "NAMES", default_value = "flex")]
    devices: String,
}

#[derive(Subcommand)]
enum Bench {
    /// Samples per second of a pipeline beside plain Burn.
    Throughput(throughput::Throughput),
    /// Peak of live bytes of each rematerialization beside its closed form.
    Memory(memory::Memory),
    /// Time per micro-batch as their number grows.
    Scaling(scaling::Scaling),
    /// Time and peak memory of each schedule beside what its simulation says.
    Schedules(schedules::Schedules),
    /// Dropout by counters beside the dropout of Burn, alone and in a pipeline.
    Dropout(dropout::Dropout),
    /// Time and memory of an optimizer's step on all stages beside Burn's on one thread.
    Optimizer(optimizer::Optimizer),
    /// What clipping by the norm of all gradients adds to a step.
    Clipping(clipping::Clipping),
    /// Steps as a profile predicts them beside measured ones.
    Planner(planner::Planner),
    /// Time and memory that it takes to simulate thousands of stages and micro-batches.
    Simulation(simulation::Simulation),
    /// Bytes moved and time of a step of a U-Net, with skips and through the stages.
    Skips(skips::Skips),
    /// Predictions for the tables of the GPipe paper, beside the published figures.
    Paper(paper::Paper),
    /// The search of layer-wise parallelism on networks of the literature.
    Layerwise(layerwise::LayerwiseSearch),
    /// Operations, transfers and pipelines on servers of devices.
    #[cfg(feature = "remote")]
    Remote(remote::Remote),
    /// The names of the devices that this build and this machine have, one a line.
    Devices,
    /// What the servers run that other subcommands start: it ends with the standard input.
    #[cfg(feature = "remote")]
    #[command(hide = true)]
    Serve,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "remote")]
    if let Bench::Serve = arguments.bench {
        return Ok(servers::serve(&arguments.devices)?);
    }
    let devices = Devices::open(&arguments.devices)?;
    let repetitions = arguments.repetitions as usize;
    let report = Report::new(arguments.json, repetitions, devices.names());
    match &arguments.bench {
        Bench::Throughput(bench) => bench.run(&report, &devices)?,
        Bench::Memory(bench) => bench.run(&report, &devices)?,
        Bench::Scaling(bench) => bench.run(&report, &devices)?,
        Bench::Schedules(bench) => bench.run(&report, &devices)?,
        Bench::Dropout(bench) => bench.run(&report, &devices)?,
        Bench::Optimizer(bench) => bench.run(&report, &devices)?,
        Bench::Clipping(bench) => bench.run(&report, &devices)?,
        Bench::Planner(bench) => bench.run(&report, &devices)?,
        Bench::Simulation(bench) => bench.run(&report),
        Bench::Paper(bench) => bench.run(&report)?,
        Bench::Layerwise(bench) => bench.run(&report)?,
        Bench::Skips(bench) => bench.run(&report, &devices)?,
        #[cfg(feature = "remote")]
        Bench::Remote(bench) => bench.run(&report, devices.names())?,
        Bench::Devices => println!("{}", available_devices().join("\n")),
        #[cfg(feature = "remote")]
        Bench::Serve => unreachable!("a server opens no devices before it serves them"),
    }
    Ok(())
}
