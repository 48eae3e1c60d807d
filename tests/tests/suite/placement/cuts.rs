//! Placements that fit a model, and ones that do not.

use burn::module::Module;
use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, PipelineError, PipelineModule, Placement};
use burn_pipeline_tests::models::{Mlp, Toy};
use rstest::rstest;

use super::devices;

fn init(config: &PipelineConfig, placement: Placement) -> Result<PipelineModule<Mlp>, String> {
    let error = |error: PipelineError| error.to_string();
    let pipeline = config.init(Mlp::model(&Device::flex()), placement);
    pipeline.map_err(error)
}

#[rstest]
#[case::one_stage(Placement::even(&devices(1)), "0..5")]
#[case::even(Placement::even(&devices(3)), "0..2 | 2..4 | 4..5")]
#[case::a_layer_each(Placement::even(&devices(5)), "0..1 | 1..2 | 2..3 | 3..4 | 4..5")]
#[case::counts(Placement::from_counts(&devices(3), &[1, 3, 1]), "0..1 | 1..4 | 4..5")]
#[case::cuts(Placement::from_cuts(&devices(3), &[1, 4]), "0..1 | 1..4 | 4..5")]
#[case::no_cut(Placement::from_cuts(&devices(1), &[]), "0..5")]
fn every_layer_is_in_exactly_one_stage(#[case] placement: Placement, #[case] expected: &str) {
    assert_eq!(placement.partition(5).unwrap().to_string(), expected);

    let pipeline = init(&PipelineConfig::new(), placement.clone()).unwrap();
    let partition = pipeline.partition();
    assert_eq!(partition.to_string(), expected);
    assert!(partition.stages().flatten().eq(0..5));
    assert_eq!(pipeline.stage_devices(), placement.devices());
    assert_eq!(
        pipeline.num_params(),
        Mlp::model(&Device::flex()).num_params()
    );
}

#[rstest]
#[case::too_few_layers(
    Placement::from_counts(&devices(2), &[2, 2]),
    "the placement does not fit the model: the stages have 4 layers in all, but the model has 5: \
     add 1 to some stage"
)]
#[case::too_many_layers(
    Placement::from_counts(&devices(2), &[2, 4]),
    "the placement does not fit the model: the stages have 6 layers in all, but the model has 5: \
     take 1 from some stage"
)]
#[case::an_empty_stage(
    Placement::from_counts(&devices(3), &[2, 0, 3]),
    "the placement does not fit the model: stage 1 of 3 has 0 layers: give it at least 1, or \
     leave the stage out"
)]
#[case::more_stages_than_layers(
    Placement::even(&devices(6)),
    "the placement does not fit the model: 6 stages need at least 6 layers, but the model has 5: \
     ask for at most 5 stages, or write the model as more layers"
)]
#[case::no_device(
    Placement::even(&[]),
    "the placement does not fit the model: 0 stages cannot hold 5 layers: ask for 1 to 5 stages"
)]
#[case::no_device_but_cuts(
    Placement::from_cuts(&[], &[2]),
    "the placement cuts the model into 2 stages but names 0 devices: name one device per stage \
     (the same one may be named again)"
)]
#[case::counts_and_devices_disagree(
    Placement::from_counts(&devices(3), &[2, 3]),
    "the placement cuts the model into 2 stages but names 3 devices: name one device per stage \
     (the same one may be named again)"
)]
#[case::a_cut_behind_the_last_layer(
    Placement::from_cuts(&devices(2), &[5]),
    "the placement does not fit the model: cut 0 falls before layer 5, but the model has 5 \
     layers: choose a cut from 1 to 4"
)]
#[case::cuts_in_a_wrong_order(
    Placement::from_cuts(&devices(3), &[3, 2]),
    "the placement does not fit the model: cut 1 falls before layer 2, and the cut ahead of it \
     before layer 3: list each cut once, in increasing order"
)]
fn a_placement_that_does_not_fit_is_an_error_with_both_numbers(
    #[case] placement: Placement,
    #[case] expected: &str,
) {
    let error = init(&PipelineConfig::new(), placement).unwrap_err();
    assert_eq!(error, expected);
}

#[test]
fn a_stage_without_threads_is_an_error() {
    let config = PipelineConfig::new().with_threads_per_stage(Some(0));
    let error = init(&config, Placement::even(&devices(2))).unwrap_err();
    assert!(
        error.starts_with("threads_per_stage is 0, but a stage needs at least 1"),
        "{error}"
    );
}

#[test]
fn a_mini_batch_in_no_parts_is_an_error() {
    let config = PipelineConfig::new().with_num_micro_batches(0);
    let error = init(&config, Placement::even(&devices(2))).unwrap_err();
    assert!(
        error.starts_with("num_micro_batches is 0, but a mini-batch is at least 1"),
        "{error}"
    );
}
