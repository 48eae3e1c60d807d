//! The example as a user runs it, on a model that takes no time.

use burn_pipeline::open_devices;
use clap::Parser;
use layerwise_cnn::{Args, run};
use rstest::rstest;

fn report(flags: &[&str]) -> Result<String, String> {
    let small = "layerwise-cnn --size 57 --width 4 --features 24 --steps 3 --batch-size 6";
    let args = Args::parse_from(small.split(' ').chain(flags.iter().copied()));
    let mut out = Vec::new();
    run(&args, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// The number before some words.
fn number_before(line: &str, words: &str) -> f64 {
    let before = line.split(words).next().unwrap().trim_end();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The line of a strategy, and the one behind it.
fn lines<'a>(report: &'a str, strategy: &str) -> [&'a str; 2] {
    let mut lines = report.lines().skip_while(|it| !it.starts_with(strategy));
    [(); 2].map(|()| {
        lines
            .next()
            .unwrap_or_else(|| panic!("no `{strategy}` in:\n{report}"))
    })
}

/// Groups of one device, and of any that tests are given.
fn groups() -> Vec<String> {
    let given = std::env::var("BURN_PIPELINE_DEVICES").unwrap_or_default();
    let given = given.split_whitespace().map(str::to_string);
    ["flex".to_string()].into_iter().chain(given).collect()
}

/// Wait until devices have freed what they were given up: a driver in software may be gone before,
/// when the process ends.
fn settle(names: &str, num_devices: usize) {
    for device in open_devices(names, num_devices).unwrap() {
        device.sync().unwrap();
    }
}

#[rstest]
fn every_plan_trains_to_the_losses_of_one_device_and_moves_what_was_predicted(
    #[values(1, 2, 4)] num_devices: usize,
) {
    for group in groups() {
        let names: Vec<_> = group.split(',').cycle().take(num_devices).collect();
        let number = num_devices.to_string();
        let names = names.join(",");
        let report = report(&["--num-devices", &number, "--devices", &names]).unwrap();
        settle(&names, num_devices);
        for strategy in ["data parallelism: ", "searched: "] {
            let [line, apart] = lines(&report, strategy);
            let moved = number_before(line, " MB moved");
            assert_eq!(moved, number_before(line, " predicted"), "{group}: {line}");
            assert!(
                number_before(apart, " from those") < 1e-3,
                "{group}: {apart}"
            );
        }
    }
}

/// However long layers take: a link that needs a quarter of an hour for a byte is worth none, and one
/// that takes no time is worth splitting for.
#[test]
fn nothing_is_moved_over_links_that_stand_still() {
    let searched = |bandwidth| {
        let report = report(&["--latency", "0", "--bandwidth", bandwidth]).unwrap();
        number_before(lines(&report, "searched: ")[0], " MB moved")
    };
    assert_eq!(searched("1e-12"), 0.0);
    assert!(searched("1e12") > 0.0);
}

#[rstest]
#[case(&["--num-devices", "0"], "--num-devices is 0, but must be at least 1")]
#[case(&["--size", "20"], "--size 20 leaves nothing behind the last pooling: give at least 57")]
#[case(&["--bandwidth=-1"], "give a latency that is not negative and a positive bandwidth")]
fn flags_that_cannot_be_are_named(#[case] flags: &[&str], #[case] message: &str) {
    let error = report(flags).unwrap_err();
    assert!(error.contains(message), "{error}");
}
