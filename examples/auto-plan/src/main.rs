//! The command line of the example.

use std::process::ExitCode;

use auto_plan::{Args, run};
use clap::Parser;
use peak_alloc::PeakAlloc;

/// What layers keep for their backward passes, and work with, is counted here.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    let args = Args {
        live_bytes: Some(live_bytes),
        peak_bytes: Some(peak_bytes),
        ..Args::parse()
    };
    match run(&args, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn live_bytes() -> u64 {
    ALLOCATOR.current_usage() as u64
}

/// The most that there were since the last call.
fn peak_bytes() -> u64 {
    let peak = ALLOCATOR.peak_usage() as u64;
    ALLOCATOR.reset_peak_usage();
    peak
}
