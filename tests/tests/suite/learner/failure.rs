//! A stage that fails ends the run with its error.

use burn::module::Module;
use burn::tensor::Device;
use burn::train::TrainingError;
use burn_pipeline::{PipelineConfig, PipelineModule, PipelineStrategy, Rematerialization};
use burn_pipeline_tests::compare::assert_same_parameters;
use burn_pipeline_tests::learner::{
    BATCHES_PER_EPOCH, Classifier, Outcome, Settings, Told, in_stages, launch, pipelined,
};

const NUM_MICRO_BATCHES: usize = 2;

fn config() -> PipelineConfig {
    PipelineConfig::new()
        .with_num_micro_batches(NUM_MICRO_BATCHES)
        .with_rematerialization(Rematerialization::Never)
}

/// Layer 2, in stage 1, fails the `num_runs`th time that it runs.
fn failing(num_runs: usize, settings: &Settings) -> Outcome<PipelineModule<Classifier>> {
    let model = Classifier::new(None, &Device::flex());
    let fuse = model.hidden[2].fuse.clone();
    let pipeline = in_stages(&config(), &[2, 2], model);
    fuse.burn_in(num_runs);
    launch(pipeline, PipelineStrategy.into(), settings)
}

fn sentence<M>(outcome: &Outcome<M>) -> String {
    match outcome.error.as_deref() {
        Some(TrainingError::Workers(failures)) => {
            assert_eq!(failures.len(), 1);
            assert_eq!(failures[0].device_id, 1);
            failures[0].message.clone()
        }
        error => panic!("not the failure of a stage: {error:?}"),
    }
}

#[test]
fn a_layer_that_panics_in_training_ends_the_run_with_the_sentence_that_names_it() {
    let failed = failing(NUM_MICRO_BATCHES * 2 + 1, &Settings::new(3));
    assert_eq!(
        sentence(&failed),
        "stage 1 on `flex` failed in forward of micro-batch 0 (F0), in layer 2 `hidden.2`: \
         the fuse has burnt. Nothing has changed: mend the cause and go on."
    );
    assert_eq!(failed.interrupted, None);

    // Two steps were taken, and what ends a run has happened.
    let num_batches = failed.metric("train Loss").len();
    assert_eq!(
        num_batches,
        2 + 1,
        "one for each batch, and one for the epoch"
    );
    assert_eq!(failed.num_epochs(), 0);
    assert!(failed.told.contains(&Told::Progress("end".to_string())));

    // The model is that of the last step which succeeded.
    let stopped = Settings {
        stop_at: Some(2),
        ..Settings::new(3)
    };
    let stopped = pipelined(&config(), &[2, 2], &stopped);
    assert_same_parameters(&failed.parameters, &stopped.parameters);
}

#[test]
fn a_layer_that_panics_in_validation_ends_the_run_as_well() {
    let failed = failing(NUM_MICRO_BATCHES * BATCHES_PER_EPOCH + 2, &Settings::new(3));
    let sentence = sentence(&failed);
    let place = "stage 1 on `flex` failed in forward of micro-batch 1 (F1), in layer 2 `hidden.2`";
    assert!(sentence.starts_with(place), "{sentence}");
    assert_eq!(failed.num_epochs(), 1);
    assert_eq!(failed.metric("train Loss").len(), BATCHES_PER_EPOCH + 1);
}

#[test]
fn the_pipeline_of_a_run_that_failed_trains_on() {
    let failed = failing(1, &Settings::new(3));
    assert!(failed.error.is_some());
    let model = failed.model.train();
    let again = launch(model, PipelineStrategy.into(), &Settings::new(3));
    assert!(again.error.is_none());
    let expected = pipelined(&config(), &[2, 2], &Settings::new(3));
    assert_same_parameters(&again.parameters, &expected.parameters);
}
