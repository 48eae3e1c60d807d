//! The example as a user runs it, on pictures that take no time.

use std::fs;
use std::path::PathBuf;

use auto_plan::{Args, run};
use burn_pipeline::{Plan, Profile};
use clap::Parser;
use rstest::rstest;

fn small() -> Args {
    let small = "auto-plan --size 8 --batch-size 4 --sweeps 1 --steps 2";
    Args::parse_from(small.split(' '))
}

fn report(args: &Args) -> Result<String, String> {
    let mut out = Vec::new();
    run(args, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_profile_the_plan_and_both_cuts_are_reported() {
    let report = report(&small()).unwrap();
    for text in [
        "12 layers on flex, 4 samples; ",
        "\n 0  convolutions.0  ",
        "\n11  head  ",
        "\ntried ",
        "\nsimulated  makespan ",
        "\nmeasured  makespan ",
        "\neven cut  ",
        "\nplan      ",
        "\nthe plan should be ",
        ", the same to the last bit\n",
    ] {
        assert!(report.contains(text), "{text} is not in\n{report}");
    }
}

#[test]
fn what_is_saved_is_read_again() {
    let folder: PathBuf = [env!("CARGO_TARGET_TMPDIR"), "saved"].iter().collect();
    let args = Args {
        stages: 3,
        chunks: 2,
        draw: Some(folder.clone()),
        save: Some(folder.clone()),
        ..small()
    };
    let report = report(&args).unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let profile: Profile = serde_json::from_str(&read("profile.json")).unwrap();
    profile.check().unwrap();
    assert!(report.starts_with(&profile.to_string()), "{report}");
    let plan: Plan = serde_json::from_str(&read("plan.json")).unwrap();
    assert!(report.contains(&plan.to_string()), "{report}");
    for name in ["profile.svg", "step.svg"] {
        assert!(read(name).contains("<svg"), "{name}");
    }
}

#[rstest]
#[case(Args { steps: 0, ..small() }, "--steps is 0, but at least 1 is needed")]
#[case(Args { stages: 0, ..small() }, "--stages is 0, but at least 1 is needed")]
#[case(
    Args { size: 12, ..small() },
    "--size is 12, but pictures are halved three times: give a multiple of 8"
)]
#[case(
    Args { devices: "abacus".to_string(), ..small() },
    "`abacus` names no device: there is no backend `abacus`; names are `flex`, "
)]
#[case(
    Args { memory_limit: Some(0), ..small() },
    "no plan fits into the memory: the one that comes closest needs "
)]
fn what_cannot_be_planned_is_an_error(#[case] args: Args, #[case] message: &str) {
    let error = report(&args).unwrap_err();
    assert!(error.starts_with(message), "{error}");
}
