//! The program, as it is started from a shell.

use std::path::Path;
use std::process::{Command, Output};

fn run(flags: &str, folder: &str) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    Command::new(env!("CARGO_BIN_EXE_guide"))
        .args(flags.split_whitespace())
        .args(["--save".as_ref(), folder.as_os_str()])
        .output()
        .unwrap()
}

#[test]
fn either_way_of_training_ends_with_the_accuracy() {
    for flags in [
        "--images 64 --epochs 1 --devices flex,flex",
        "--images 64 --epochs 1 --single-device",
    ] {
        let output = run(flags, "guide");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{stdout}");
        let last = stdout.lines().last().unwrap();
        assert!(last.starts_with("accuracy on 8 new images: "), "{last}");
    }
}

#[test]
fn numbers_that_no_run_can_have_are_refused_with_the_remedy() {
    for (flags, remedy) in [
        ("--images 64 --stages 0", "give --stages 1 to 10"),
        ("--images 64 --stages 11", "ask for at most 10 stages"),
        ("--images 7", "give 8 at least"),
        (
            "--images 64 --devices flex,flex,flex",
            "name one per stage, or one for all",
        ),
    ] {
        let output = run(flags, "guide-refused");
        assert!(!output.status.success());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(remedy), "{stderr}");
    }
}
