//! The command line of the example.

use std::process::ExitCode;

use clap::Parser;
use layerwise_cnn::{Args, run};

fn main() -> ExitCode {
    match run(&Args::parse(), &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
