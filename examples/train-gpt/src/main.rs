//! The command line of the example.

use std::process::ExitCode;

use clap::Parser;
use peak_alloc::PeakAlloc;
use train_gpt::{Args, run};

/// What layers keep for their backward passes is counted here.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    let mut args = Args::parse();
    args.planning.live_bytes = Some(|| ALLOCATOR.current_usage() as u64);
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
