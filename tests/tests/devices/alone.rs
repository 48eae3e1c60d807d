//! Tests that count for their process run in one of their own.

use std::process::Command;

const ALONE: &str = "THIS_PROCESS_IS_ALONE";

/// Run `work`, of the test of this name, in a process without other tests.
pub fn alone(test: &str, work: fn()) {
    if std::env::var_os(ALONE).is_some() {
        return work();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    let failed = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{told}\n{failed}");
    println!("{told}");
}

/// What a worker says when it panics is not to be kept.
pub fn silence_workers() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        if !thread.name().unwrap_or_default().starts_with("stage-") {
            eprintln!("{panic}");
        }
    }));
}
