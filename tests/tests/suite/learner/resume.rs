//! Runs that go on where another one was.

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, PipelineModule, PipelineStrategy};
use burn_pipeline_tests::compare::{Parameters, assert_same_parameters, parameters};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::learner::{
    Classifier, Folder, Outcome, Settings, Told, in_stages, launch, on_one_device, pipelined,
};
use rstest::rstest;

/// A model that drops out, so that a run shows which random numbers it drew.
fn dropping_out(num_layers: &[usize], settings: &Settings) -> Outcome<PipelineModule<Classifier>> {
    let config = PipelineConfig::new().with_num_micro_batches(3);
    let model = Classifier::new(Some(0.3), &Device::flex());
    let pipeline = in_stages(&config, num_layers, model);
    launch(pipeline, PipelineStrategy.into(), settings)
}

fn interrupted_after(epoch: usize, folder: &Folder) -> Settings {
    Settings {
        folder: folder.clone(),
        ..Settings::new(epoch)
    }
}

fn resumed_from(epoch: usize, num_epochs: usize, folder: &Folder) -> Settings {
    Settings {
        checkpoint: Some(epoch),
        folder: folder.clone(),
        ..Settings::new(num_epochs)
    }
}

/// What a run was told of its batches from the start of an epoch on.
fn metrics_from(told: &[Told], epoch: usize) -> Vec<Told> {
    let last = Told::Progress(format!("end of epoch {}", epoch - 1));
    let told = told.iter().skip_while(|told| **told != last).skip(1);
    told.cloned().collect()
}

#[rstest]
fn a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(
    #[values(&[2, 2], &[1, 1, 2])] resumed_in: &[usize],
) {
    let _draws = generator();
    let whole = dropping_out(&[2, 2], &Settings::new(4));

    let folder = Folder::new();
    let half = dropping_out(&[2, 2], &interrupted_after(2, &folder));
    let resumed = dropping_out(resumed_in, &resumed_from(2, 4, &folder));

    assert_ne!(half.parameters, whole.parameters);
    assert_same_parameters(&resumed.parameters, &whole.parameters);
    let metrics = |told: Vec<Told>| {
        let is_metric = |told: &Told| matches!(told, Told::Metric(..));
        told.into_iter().filter(is_metric).collect::<Vec<_>>()
    };
    let expected = metrics(metrics_from(&whole.told, 3));
    assert!(!expected.is_empty());
    assert_eq!(metrics(resumed.told), expected);
}

#[test]
fn a_run_of_one_device_goes_on_in_a_pipeline_and_the_other_way_round() {
    let config = PipelineConfig::new().with_num_micro_batches(1);
    let whole = on_one_device(&Settings::new(4));

    let folder = Folder::new();
    on_one_device(&interrupted_after(2, &folder));
    let resumed = pipelined(&config, &[2, 2], &resumed_from(2, 4, &folder));
    assert_same_parameters(&resumed.parameters, &whole.parameters);

    let folder = Folder::new();
    pipelined(&config, &[3, 1], &interrupted_after(2, &folder));
    let resumed = on_one_device(&resumed_from(2, 4, &folder));
    assert_same_parameters(&resumed.parameters, &whole.parameters);
}

#[test]
fn a_checkpoint_is_the_record_of_the_plain_model() {
    let settings = Settings::new(2);
    let piped = pipelined(&PipelineConfig::new(), &[2, 2], &settings);
    let saved = |epoch: usize| -> Parameters {
        let file = settings
            .folder
            .path()
            .join(format!("checkpoint/model-{epoch}.bpk"));
        let record = ModuleRecord::load(file).unwrap();
        parameters(&Classifier::new(None, &Device::flex()).load_record(record))
    };
    assert_same_parameters(&saved(2), &piped.parameters);
    assert_ne!(saved(1), saved(2));
}
