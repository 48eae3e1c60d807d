//! The command line of the server.

use std::process::ExitCode;

use clap::Parser;
use remote_stages::{ServeArgs, serve};

/// Serve this machine's devices as stages for others.
#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    match serve(&Command::parse().serve, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
