//! Runs that end before their last epoch.

use burn_pipeline::PipelineConfig;
use burn_pipeline_tests::compare::assert_same_parameters;
use burn_pipeline_tests::learner::{BATCHES_PER_EPOCH, Settings, Told, on_one_device, pipelined};
use rstest::rstest;

fn one_micro_batch() -> PipelineConfig {
    PipelineConfig::new().with_num_micro_batches(1)
}

#[test]
fn early_stopping_stops_after_the_same_epoch() {
    let settings = || Settings {
        patience: Some(2),
        learning_rate: 5e-2,
        ..Settings::new(40)
    };
    let plain = on_one_device(&settings());
    let piped = pipelined(&one_micro_batch(), &[2, 2], &settings());

    assert!(
        (3..40).contains(&plain.num_epochs()),
        "{}",
        plain.num_epochs()
    );
    assert_eq!(piped.num_epochs(), plain.num_epochs());
    assert_eq!(piped.told, plain.told);
    assert_same_parameters(&piped.parameters, &plain.parameters);
}

#[rstest]
#[case::in_the_first_epoch(2)]
#[case::in_the_second_epoch(BATCHES_PER_EPOCH + 1)]
fn an_interrupted_run_ends_after_the_batch_and_says_why(#[case] stop_at: usize) {
    let settings = || Settings {
        stop_at: Some(stop_at),
        ..Settings::new(3)
    };
    let plain = on_one_device(&settings());
    let piped = pipelined(&one_micro_batch(), &[2, 2], &settings());

    let reason = piped.interrupted.as_ref().and_then(|it| it.reason.clone());
    assert_eq!(reason.as_deref(), Some("seen enough"));
    assert!(piped.error.is_none());
    let batches = Told::Progress("Iteration".to_string());
    let num_batches = |told: &[Told]| told.iter().filter(|told| **told == batches).count();
    assert_eq!(num_batches(&piped.told), num_batches(&plain.told));
    assert_eq!(piped.told, plain.told);
    assert_same_parameters(&piped.parameters, &plain.parameters);
}
