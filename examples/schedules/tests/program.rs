//! The example as a user runs it, on a model that takes no time.

use std::path::PathBuf;

use clap::Parser;
use rstest::rstest;
use schedules::{Args, run};

fn small() -> Args {
    let small = "schedules --width 8 --samples 2 --steps 4 --micro-batches 4";
    Args::parse_from(small.split(' '))
}

fn report(args: &Args) -> Result<String, String> {
    let mut out = Vec::new();
    run(args, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn every_schedule_is_printed_drawn_and_summed_up() {
    let report = report(&small()).unwrap();
    for kind in ["gpipe", "1f1b", "interleaved:2", "breadth-first:2"] {
        assert_eq!(report.matches(&format!("\n{kind}")).count(), 2, "{kind}");
    }
    assert_eq!(report.matches("\nsimulated  makespan ").count(), 4);
    assert_eq!(report.matches("\nmeasured  makespan ").count(), 4);
    assert!(report.contains("stage 0   F0 F1 F2 F3"));
}

#[test]
fn drawings_are_written_for_every_schedule() {
    let folder: PathBuf = [env!("CARGO_TARGET_TMPDIR"), "drawings"].iter().collect();
    let args = Args {
        draw: Some(folder.clone()),
        ..small()
    };
    report(&args).unwrap();
    for kind in ["gpipe", "1f1b", "interleaved-2", "breadth-first-2"] {
        let read = |extension| std::fs::read_to_string(folder.join(kind).with_extension(extension));
        assert!(read("svg").unwrap().contains("<svg"));
        assert!(read("json").unwrap().contains("traceEvents"));
    }
}

#[rstest]
#[case(
    Args { layers: 3, ..small() },
    "2 chunks on each of 2 stages need at least 4 layers, but the model has 3: use fewer chunks \
     or stages, or write the model as more layers"
)]
#[case(Args { steps: 1, ..small() }, "--steps is 1, but at least 2 is needed")]
#[case(Args { stages: 0, ..small() }, "--stages is 0, but at least 1 is needed")]
#[case(
    Args { devices: "flex,flex,flex".to_string(), ..small() },
    "3 devices are named for 2 stages: name one per stage, or one for all"
)]
#[case(
    Args { micro_batches: 0, ..small() },
    "num_micro_batches is 0, but a mini-batch is at least 1 micro-batch: give at least 1"
)]
fn numbers_that_make_no_pipeline_are_errors(#[case] args: Args, #[case] message: &str) {
    assert_eq!(report(&args).unwrap_err(), message);
}
