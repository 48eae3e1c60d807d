//! What cannot be profiled, and how it is told.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Lift, PipelineError, Profiler, lift, profile};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{Mlp, Toy};
use rstest::rstest;

use super::profiler;

type Row = Lift<Linear, Tensor<2>, Tensor<2>>;

fn failing(fails: fn(&Linear, Tensor<2>) -> Tensor<2>) -> Vec<Row> {
    let device = Device::flex().autodiff();
    let works: fn(&Linear, Tensor<2>) -> Tensor<2> = |linear, input| linear.forward(input);
    let layers = [works, fails, works];
    let layers = layers.map(|forward| lift(LinearConfig::new(4, 4).init(&device), forward));
    layers.into()
}

#[test]
fn a_layer_that_panics_is_named() {
    let _draws = generator();
    let device = Device::flex();
    let input = || Tensor::<2>::ones([4, 4], &device);
    let error = profile(&failing(|_, _| panic!("no such luck")), input(), &device).unwrap_err();
    assert_eq!(
        error,
        PipelineError::Profile("layer 1 (`1`) failed on 4 samples: no such luck".to_string())
    );
    // Nothing is left that the next one trips over.
    profile(
        &failing(|linear, input| linear.forward(input)),
        input(),
        &device,
    )
    .unwrap();
}

#[rstest]
#[case(1, "out of memory: take smaller micro-batches")]
#[case(
    4,
    "out of memory: put fewer layers on the device at once, or take smaller micro-batches"
)]
fn what_helps_against_too_little_memory_is_told(
    #[case] layers_at_once: usize,
    #[case] message: &str,
) {
    let _draws = generator();
    let device = Device::flex();
    let error = Profiler::new()
        .with_layers_at_once(layers_at_once)
        .profile(
            &failing(|_, _| panic!("out of memory")),
            Tensor::<2>::ones([4, 4], &device),
            &device,
        )
        .unwrap_err();
    assert_eq!(
        error,
        PipelineError::Profile(format!("layer 1 (`1`) failed on 4 samples: {message}"))
    );
}

#[test]
fn a_loss_that_panics_is_told() {
    let _draws = generator();
    let device = Device::flex();
    let batch = (Tensor::<2>::ones([4, 4], &device), ());
    let error = Profiler::new()
        .profile_with_loss(
            &failing(|linear, input| linear.forward(input)),
            batch,
            |_, ()| panic!("no such luck"),
            &device,
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the loss failed on 4 samples: no such luck"
    );
}

#[rstest]
#[case(Profiler::new().with_num_samples([0, 2]), "a micro-batch of 0 samples cannot be measured")]
#[case(Profiler::new().with_num_samples([8]), "a micro-batch of 8 samples is to be measured, but the sample has 4")]
#[case(Profiler::new().with_repetitions(0), "nothing is measured in 0 repetitions")]
#[case(Profiler::new().with_layers_at_once(0), "0 layers at once measure nothing")]
fn what_cannot_be_measured_is_refused(#[case] profiler: Profiler, #[case] message: &str) {
    let device = Device::flex().autodiff();
    let (input, _) = Mlp::batch(4, &device);
    let error = profiler
        .profile(&Mlp::model(&device), input, &device)
        .unwrap_err();
    assert!(error.to_string().starts_with(message), "{error}");
}

/// As a training step does. Cutting the target into micro-batches panicked.
#[rstest]
#[case(2)]
#[case(6)]
fn a_target_of_other_samples_than_the_input_is_refused(#[case] num_targets: usize) {
    let device = Device::flex().autodiff();
    let (input, _) = Mlp::batch(4, &device);
    let (_, target) = Mlp::batch(num_targets, &device);
    let error = profiler()
        .profile_with_loss(&Mlp::model(&device), (input, target), Mlp::loss, &device)
        .unwrap_err();
    assert_eq!(
        error,
        PipelineError::Batch(format!(
            "the input has 4 samples but the target has {num_targets}: give one target per sample"
        ))
    );
}
