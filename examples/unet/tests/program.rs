//! The example as a user runs it, on a model that takes no time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use clap::Parser;
use rstest::rstest;
use unet::{Args, run};

/// Burn's generator belongs to the process, and each of these tests seeds it.
fn alone() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

fn small() -> Args {
    let small = "unet --size 8 --width 2 --depth 2 --steps 3 --batch-size 4 --micro-batches 2";
    Args::parse_from(small.split(' '))
}

fn report(args: &Args) -> Result<String, String> {
    let _alone = alone();
    let mut out = Vec::new();
    run(args, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// The bytes at the end of the report are those of the route that was asked for.
#[rstest]
fn the_report_has_bytes_losses_and_overlaps(#[values(false, true)] through_stages: bool) {
    let report = report(&Args {
        through_stages,
        ..small()
    })
    .unwrap();
    for part in [
        "in 6 layers, cut as 0..2 | 2..4 | 4..5 | 5..6",
        "\n  with skips ",
        "\n  through the stages ",
        "\nThe losses have the same bits.\n",
        "\nbefore training: IoU ",
        " in the first step, ",
        "\nafter training: IoU ",
    ] {
        assert!(report.contains(part), "no `{part}` in:\n{report}");
    }

    let last = report.lines().last().unwrap();
    let route = match through_stages {
        true => "through the stages",
        false => "with skips",
    };
    assert!(last.ends_with(route), "{last}");
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let without_times = |args: &Args| {
        let report = report(args).unwrap();
        let lines = report.lines().filter(|line| !line.contains("pictures/s"));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    let one = without_times(&small());
    assert_eq!(one, without_times(&small()));
    assert_ne!(one, without_times(&Args { seed: 1, ..small() }));
}

#[rstest]
#[case(Args { stages: 0, ..small() }, "--stages is 0, but must be at least 1")]
#[case(Args { depth: 0, ..small() }, "--depth is 0, but must be at least 1")]
#[case(
    Args { size: 12, depth: 3, ..small() },
    "--size 12 cannot be halved 3 times: give a multiple of 2 to the power of --depth 3, or a smaller --depth"
)]
#[case(
    Args { micro_batches: 9, ..small() },
    "--micro-batches 9 are more than --batch-size 4 can fill: lower the one or raise the other"
)]
#[case(
    Args { learning_rate: 0.0, ..small() },
    "--learning-rate 0 is out of range: give more than 0 and at most 1"
)]
#[case(
    Args { devices: "flex:1".to_string(), ..small() },
    "`flex:1` names no device: `flex` is one device, so nothing follows it, but `:1` does; names are"
)]
#[case(
    Args { devices: "flex,flex,flex".to_string(), ..small() },
    "3 devices are named for 4 stages: name one per stage, or one for all"
)]
fn flags_that_do_not_fit_are_errors(#[case] args: Args, #[case] message: &str) {
    let error = report(&args).unwrap_err();
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn more_stages_than_layers_are_an_error() {
    let message = report(&Args {
        stages: 7,
        ..small()
    })
    .unwrap_err();
    assert!(
        message.contains("7 stages") && message.contains('6'),
        "{message}"
    );
}
