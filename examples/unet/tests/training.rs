//! What training comes to, and what a step moves.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn_pipeline::Partition;
use clap::Parser;
use rstest::rstest;
use unet::{Args, Batch, Route, Traffic, Training, UNetConfig, training_batches, validate};

/// Burn's generator belongs to the process, and each of these tests seeds it.
fn alone() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

fn args(more: &str) -> Args {
    let tiny = "unet --size 16 --width 4 --depth 2 --batch-size 8 --micro-batches 2 --steps 40";
    Args::parse_from(tiny.split(' ').chain(more.split_whitespace()))
}

/// The first mini-batches of a run.
fn batches(args: &Args, num_batches: usize) -> Vec<Batch> {
    let device = Training::new(args).unwrap().first_device();
    let batches = training_batches(args, &device);
    let batches = batches.iter().take(num_batches);
    batches.map(Result::unwrap).collect()
}

#[test]
fn it_learns_to_tell_shapes_from_background() {
    let _alone = alone();
    let args = args("--learning-rate 1e-2 --steps 120");
    let mut training = Training::new(&args).unwrap();
    let before = validate(&training.pipeline, &args).unwrap();
    for batch in batches(&args, args.steps) {
        let step = training.gradients(batch).unwrap();
        training = training.update(step.grads);
    }
    let after = validate(&training.pipeline, &args).unwrap();
    println!("{before}, then {after}");
    assert!(before.iou() < 0.4, "{before}");
    assert!(after.iou() > 0.6, "{after}");
}

/// Sent maps have two uses, in their own layer and in the up, and the sum of two gradients is the
/// same either way round.
#[rstest]
fn both_routes_have_the_same_losses_to_the_last_bit(
    #[values("gpipe", "1f1b", "interleaved:2")] schedule: &str,
    #[values(1, 3)] stages: usize,
    #[values("never", "always")] rematerialization: &str,
) {
    let _alone = alone();
    let args = args(&format!(
        "--schedule {schedule} --stages {stages} --rematerialization {rematerialization}"
    ));
    let losses = |through_stages| -> Vec<u32> {
        let args = Args {
            through_stages,
            ..args.clone()
        };
        let mut training = Training::new(&args).unwrap();
        let mut losses = Vec::new();
        for batch in batches(&args, 3) {
            let step = training.gradients(batch).unwrap();
            losses.push(step.loss.into_scalar::<f32>().to_bits());
            training = training.update(step.grads);
        }
        losses
    };
    assert_eq!(losses(false), losses(true));
}

/// Boundaries cross each cut once and their gradients once. Sent maps do so only where they go
/// through the stages; with skips they move once, whatever lies between.
#[rstest]
fn a_step_moves_what_the_shapes_say(
    #[values(
        "--depth 3",
        "--schedule 1f1b --stages 3",
        "--schedule interleaved:2 --stages 2"
    )]
    more: &str,
    #[values("--batch-size 8", "--batch-size 7 --rematerialization always")] batch: &str,
) {
    let _alone = alone();
    let args = args(&format!("{more} {batch}"));
    let traffic = Traffic::measure(&args, &batches(&args, 1)[0]).unwrap();

    let config = args.model();
    let training = Training::new(&args).unwrap();
    let bytes = |route| {
        let config = config.with_route(route);
        config.bytes_received(training.pipeline.partition(), args.batch_size, args.size)
    };
    let total = |bytes: &[u64]| bytes.iter().sum::<u64>();
    assert_eq!(total(&traffic.skips), bytes(Route::Skip));
    assert_eq!(total(&traffic.through_stages), bytes(Route::ThroughStages));
    assert!(bytes(Route::Skip) < bytes(Route::ThroughStages));
}

/// Three downs at 8, 4 and 2 by 2 pixels of 1, 2 and 4 channels: they leave 16, 8 and 4 numbers
/// for the next layer, and send 64, 32 and 16. The bottom leaves 8, the ups 16, 32 and 64.
#[rstest]
#[case(&[4, 4], 8 + (64 + 32 + 16), 8 + (64 + 32 + 16))]
#[case(&[1, 6, 1], 16 + 64 + 64, 16 + 64 + 64)]
#[case(&[2, 2, 2, 2], 8 + 8 + 32 + (64 + 32 + 16), 8 + 8 + 32 + (3 * 64 + 2 * 32 + 16))]
fn bytes_by_hand(#[case] counts: &[usize], #[case] skips: u64, #[case] through_stages: u64) {
    let partition = Partition::from_counts(counts, 8).unwrap();
    let bytes = |route| {
        let config = UNetConfig::new(1, 3).with_route(route);
        config.bytes_received(&partition, 5, 8)
    };
    assert_eq!(bytes(Route::Skip), 2 * 5 * 4 * skips);
    assert_eq!(bytes(Route::ThroughStages), 2 * 5 * 4 * through_stages);
}
