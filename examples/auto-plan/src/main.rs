//! The command line of the example.

use std::process::ExitCode;

use auto_plan::{Args, run};
use clap::Parser;
use peak_alloc::PeakAlloc;

/// What layers keep for their backward passes is counted here.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    let args = Args {
        live_bytes: Some(|| ALLOCATOR.current_usage() as u64),
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
