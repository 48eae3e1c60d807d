//! The program, as it is started from a shell.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

fn run(flags: &str, text: &str) -> Output {
    run_unplanned(&format!("--micro-batches 2 {flags}"), text)
}

/// Without a number of micro-batches, which a plan has itself.
fn run_unplanned(flags: &str, text: &str) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("{text}.txt"));
    std::fs::write(&file, format!("{text} ").repeat(60)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_train-gpt"))
        .args(["--text".as_ref(), file.as_os_str()])
        .args(["--save".as_ref(), folder.join(text).as_os_str()])
        .args("--layers 1 --width 8 --heads 2 --context 8 --batch-size 4".split(' '))
        .args("--steps 2 --threads-per-stage 1".split(' '))
        .args(flags.split_whitespace())
        .output()
        .unwrap()
}

fn refusal(flags: &str) -> String {
    refused(run, flags)
}

fn refused(run: fn(&str, &str) -> Output, flags: &str) -> String {
    // Tests run at once: each run has a text of its own.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let text = format!("refused-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let output = run(flags, &text);
    assert!(!output.status.success(), "{flags}");
    String::from_utf8(output.stderr).unwrap()
}

fn last_lines(output: &str) -> Vec<&str> {
    output.lines().rev().take(3).collect()
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
fn the_last_step_is_drawn_as_predicted_and_as_measured() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let trace = folder.join("trace.of-a-step");
    let flags = format!(
        "--steps 4 --layers 2 --schedule interleaved:2 --trace {}",
        trace.display()
    );
    let output = run(&flags, "traced");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(
        stdout.contains("stage 0: layers 0..1 and 2..3 on "),
        "{stdout}"
    );
    assert!(
        stdout.contains("stage 1: layers 1..2 and 3..4 on "),
        "{stdout}"
    );
    assert!(stdout.contains("the last step: predicted "), "{stdout}");
    assert!(stdout.contains("stage 1  measured "), "{stdout}");

    let read = |ending: &str| {
        let path = format!("{}.{ending}", trace.display());
        assert!(stdout.contains(&path), "{stdout}");
        fs::read_to_string(path).unwrap()
    };
    assert!(read("svg").starts_with("<svg "));
    let json: serde_json::Value = serde_json::from_str(&read("json")).unwrap();
    let events = json["traceEvents"].as_array().unwrap();
    assert!(events.len() > 2 * 2 * 2 * 2 * 2);
    // Two windows of 8 positions and width 8 in each micro-batch: what a boundary takes, at least.
    let kept = events.iter().filter_map(|it| it["args"]["bytes"].as_u64());
    assert!(kept.max().unwrap() > 2 * 2 * 8 * 8 * 4);
    let text = read("txt");
    assert!(text.starts_with("predicted  makespan "), "{text}");
    assert!(text.contains("\nmeasured  makespan "), "{text}");
}

#[test]
fn a_trace_that_ends_in_a_form_is_that_file_alone() {
    let trace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alone.svg");
    let output = run(&format!("--trace {}", trace.display()), "alone");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(stdout.contains(&format!("drawn in {}\n", trace.display())));
    assert!(fs::read_to_string(trace).unwrap().starts_with("<svg "));
}

#[test]
fn a_trace_that_cannot_be_is_refused_before_training() {
    assert_eq!(
        refusal("--trace no/such/step.svg"),
        "error: cannot write no/such/step.svg: there is no folder no/such: make it, or name another one\n"
    );
    assert_eq!(
        refusal("--steps 1 --trace step.svg"),
        "error: --trace predicts the last step from those before it, but this run takes 1: raise --steps to take at least 2\n"
    );
}

#[test]
fn schedules_that_cannot_run_are_refused() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken-schedule");
    let own = |text: &str, more: &str| {
        fs::write(&file, text).unwrap();
        refusal(&format!("--schedule-file {} {more}", file.display()))
    };
    for (stderr, message) in [
        (
            refusal("--schedule 2f2b"),
            "`2f2b` is no schedule: use `gpipe`, `1f1b`, `interleaved:2` or `breadth-first:2`",
        ),
        (
            refusal("--schedule interleaved:2"),
            "need at least 4 layers, but the model has 3: use fewer chunks or stages",
        ),
        (
            refusal("--schedule-file no/such/schedule"),
            "error: invalid value 'no/such/schedule' for '--schedule-file <FILE>': No such file",
        ),
        (own("stage 0 F0 X0", ""), "line 1: `X0` is no instruction"),
        (
            own("stage 0 F0 F1 B0", ""),
            "stage 0 runs 1 of 2 micro-batches backward, and never B1",
        ),
        (
            own("stage 0 F0 B0\nstage 1 F0 B0", ""),
            "error: the schedule is for 1 micro-batches, but num_micro_batches is 2: set both to the same number",
        ),
        (
            own("stage 0 F0 F1 B0 B1", "--stages 2"),
            "error: the schedule cannot run: the schedule is for 1 stages and 2 micro-batches, but 2 stages and 2 micro-batches are asked for",
        ),
    ] {
        assert!(stderr.contains(message), "{stderr}");
    }
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
            "--devices flex,flex,flex",
            "error: 3 devices are named for 2 stages: name one per stage, or one for all\n",
        ),
    ] {
        assert_eq!(refusal(flags), message);
    }
    assert!(refusal("--devices abacus").starts_with(
        "error: `abacus` names no device: there is no backend `abacus`; names are `flex`, "
    ));
    assert!(refusal("--text no/such/text").starts_with("error: cannot read no/such/text: "));
    assert!(refusal("--resume no/such/run").starts_with("error: no run is saved in no/such/run"));
}

#[test]
fn a_plan_is_found_saved_and_trained_by() {
    let plan = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plan.json");
    let auto = format!("--auto --save-plan {}", plan.display());
    let auto = run_unplanned(&auto, "planned");
    let stdout = String::from_utf8(auto.stdout).unwrap();
    assert!(auto.status.success(), "{stdout}");
    for text in [
        "3 layers on flex, 4 samples; what is kept is counted by an allocator",
        "  blocks.0 ",
        " for 4 samples: ",
        "\ntried ",
        "\na step was planned to take ",
    ] {
        assert!(stdout.contains(text), "{text} is not in\n{stdout}");
    }
    assert!(stdout.contains(&format!("the plan is in {}\n", plan.display())));

    // A text says what is trained on.
    let by_file = run_unplanned(&format!("--plan {}", plan.display()), "planned");
    let by_file = String::from_utf8(by_file.stdout).unwrap();
    assert_eq!(last_lines(&by_file), last_lines(&stdout));

    for (flags, message) in [
        (
            "--layers 4",
            "error: the plan is for 3 layers, but --layers 4 makes a model of 6: give --layers 1, or plan again\n",
        ),
        (
            "--batch-size 8",
            "error: the plan is for mini-batches of 4 windows, but --batch-size is 8: give --batch-size 4, or plan again\n",
        ),
    ] {
        let flags = format!("--plan {} {flags}", plan.display());
        assert_eq!(refused(run_unplanned, &flags), message);
    }
    let flags = format!("--plan {} --schedule 1f1b", plan.display());
    let stderr = refused(run_unplanned, &flags);
    let message = "the argument '--plan <FILE>' cannot be used with '--schedule <KIND>'";
    assert!(stderr.contains(message), "{stderr}");
}

#[test]
fn a_plan_leaves_nothing_to_other_flags() {
    for (flags, one, other) in [
        ("--auto --stages 2", "--auto", "--stages <N>"),
        ("--auto --schedule 1f1b", "--auto", "--schedule <KIND>"),
        ("--auto --micro-batches 2", "--auto", "--micro-batches <N>"),
        (
            "--auto --rematerialization never",
            "--auto",
            "--rematerialization <WHICH>",
        ),
    ] {
        let stderr = refused(run_unplanned, flags);
        let message = format!("the argument '{one}' cannot be used with '{other}'");
        assert!(stderr.contains(&message), "{stderr}");
    }
    let stderr = refused(run_unplanned, "--memory-limit 100");
    assert!(stderr.contains("not provided:\n  --auto"), "{stderr}");
    let stderr = refused(run_unplanned, "--plan no/such/plan");
    let message = "error: invalid value 'no/such/plan' for '--plan <FILE>': No such file";
    assert!(stderr.starts_with(message), "{stderr}");
}

#[test]
fn a_memory_that_holds_no_plan_is_refused() {
    let stderr = refused(run_unplanned, "--auto --memory-limit 0");
    let message = "error: no plan fits into the memory: the one that comes closest needs ";
    assert!(stderr.starts_with(message), "{stderr}");
}
