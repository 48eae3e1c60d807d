//! The program, as it is started from a shell.

use std::path::Path;
use std::process::{Command, Output};

fn run(flags: &str, text: &str) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("{text}.txt"));
    std::fs::write(&file, format!("{text} ").repeat(60)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_train-gpt"))
        .args(["--text".as_ref(), file.as_os_str()])
        .args(["--save".as_ref(), folder.join(text).as_os_str()])
        .args("--layers 1 --width 8 --heads 2 --context 8 --batch-size 4".split(' '))
        .args("--micro-batches 2 --steps 2 --threads-per-stage 1".split(' '))
        .args(flags.split_whitespace())
        .output()
        .unwrap()
}

fn refusal(flags: &str) -> String {
    let output = run(flags, "refused");
    assert!(!output.status.success(), "{flags}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_last_two_lines_are_the_validation_loss_and_the_unigram_entropy() {
    let output = run("--compare", "abc");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    let lines: Vec<&str> = stdout.lines().collect();
    let [.., loss, entropy] = lines.as_slice() else {
        panic!("{stdout}");
    };
    let number = |line: &str, name: &str| {
        let number = line.strip_prefix(name).unwrap();
        assert_eq!(number.split_once('.').unwrap().1.len(), 6);
        number.parse::<f64>().unwrap()
    };
    assert!(number(loss, "validation loss ").is_finite());
    assert!((number(entropy, "unigram entropy ") - 4f64.ln()).abs() < 1e-6);
    assert!(stdout.contains("compared with the plain model over 2 steps"));
    assert!(stdout.contains("stage 1 │"));
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for (flags, message) in [
        (
            "--heads 3",
            "error: --width 8 is not divisible by --heads 3: change one of them\n",
        ),
        (
            "--stages 0",
            "error: --stages is 0, but must be at least 1\n",
        ),
        (
            "--stages 4",
            "error: --stages 4 are more than the 3 layers of the model: use fewer stages, or more than 1 --layers\n",
        ),
        (
            "--micro-batches 5",
            "error: --micro-batches 5 are more than --batch-size 4 can fill: lower the one or raise the other\n",
        ),
        (
            "--learning-rate 2",
            "error: --learning-rate 2 is out of range: give more than 0 and at most 1\n",
        ),
        (
            "--dropout 1",
            "error: --dropout 1 is no probability: give at least 0 and less than 1\n",
        ),
        (
            "--devices gpu",
            "error: --devices names `gpu`, but this build has: flex\n",
        ),
    ] {
        assert_eq!(refusal(flags), message);
    }
    assert!(refusal("--text no/such/text").starts_with("error: cannot read no/such/text: "));
    assert!(refusal("--resume no/such/run").starts_with("error: cannot read no/such/run/run.json"));
}
