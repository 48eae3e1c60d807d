//! Speed, memory and scale of burn-pipeline, beside plain Burn and the closed forms.
//!
//! One subcommand per question; `--json` prints one object per result instead of a table. The
//! README of this folder says what each number means.

mod clipping;
mod dropout;
mod measure;
mod memory;
mod models;
mod optimizer;
mod report;
mod scaling;
mod schedules;
mod simulation;
mod skips;
mod throughput;

use clap::{Parser, Subcommand};
use peak_alloc::PeakAlloc;

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
    /// Time and memory that it takes to simulate thousands of stages and micro-batches.
    Simulation(simulation::Simulation),
    /// Bytes moved and time of a step of a U-Net, with skips and through the stages.
    Skips(skips::Skips),
}

fn main() {
    let arguments = Arguments::parse();
    let report = report::Report::new(arguments.json, arguments.repetitions as usize);
    match arguments.bench {
        Bench::Throughput(bench) => bench.run(&report),
        Bench::Memory(bench) => bench.run(&report),
        Bench::Scaling(bench) => bench.run(&report),
        Bench::Schedules(bench) => bench.run(&report),
        Bench::Dropout(bench) => bench.run(&report),
        Bench::Optimizer(bench) => bench.run(&report),
        Bench::Clipping(bench) => bench.run(&report),
        Bench::Simulation(bench) => bench.run(&report),
        Bench::Skips(bench) => bench.run(&report),
    }
}
