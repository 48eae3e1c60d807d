//! The threads of this process, as the kernel lists them.

use std::time::{Duration, Instant};

/// What `read` gives, as soon as it is `expected`, and at the latest after ten seconds: the kernel
/// may list a thread for a moment after it has been joined.
pub fn settled<T: PartialEq>(read: impl Fn() -> T, expected: &T) -> T {
    let start = Instant::now();
    loop {
        let found = read();
        if found == *expected || start.elapsed() > Duration::from_secs(10) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The names of the threads of this process that begin with `stage-`, sorted.
#[cfg(target_os = "linux")]
pub fn stage_threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let names = names.map(|name| name.trim().to_string());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("stage-")).collect();
    names.sort();
    names
}

/// Asserts that these stages' threads, and no others, are alive.
#[cfg(target_os = "linux")]
#[track_caller]
pub fn assert_stage_threads(expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|name| name.to_string()).collect();
    assert_eq!(settled(stage_threads, &expected), expected);
}
