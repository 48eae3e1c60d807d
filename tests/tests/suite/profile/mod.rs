//! Profiles of models, and what is left of the model after one.

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use burn_pipeline::{BytesSource, Measurement, Profile, Profiler, SharedParameter, Skip};
use burn_pipeline_tests::compare::{Parameters, Step, assert_same_parameters, parameters};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{
    Convolution, Counted, Encoded, Frozen, Mlp, Skips, Tied, Toy, Transformer, Unused,
};
use burn_pipeline_tests::reference::ByMicroBatches;
use rstest::rstest;

mod failing;
mod links;
mod neighbours;

fn profiler() -> Profiler {
    Profiler::new()
        .with_num_samples([2, 4])
        .with_repetitions(1)
        .with_threads_per_stage(Some(1))
}

fn profile_of<T: Toy>() -> Profile {
    let device = Device::flex().autodiff();
    let profile = profiler()
        .profile_with_loss(&T::model(&device), T::batch(4, &device), T::loss, &device)
        .unwrap();
    profile.check().unwrap();
    assert_eq!(profile.device, "flex");
    assert_eq!(profile.bytes_source, BytesSource::Shapes);
    profile
}

fn names(profile: &Profile) -> Vec<&str> {
    profile.layers.iter().map(|it| it.name.as_str()).collect()
}

fn parameter_bytes(profile: &Profile) -> Vec<u64> {
    profile.layers.iter().map(|it| it.parameter_bytes).collect()
}

/// A whole backward pass. Of a small layer, noise may take all but its start away.
fn begun(it: &Measurement) -> f64 {
    it.backward + it.pull_back
}

/// Of one sample.
fn output_bytes(profile: &Profile) -> Vec<u64> {
    let layers = 0..profile.num_layers();
    layers.map(|it| profile.at(it, 1).output_bytes).collect()
}

#[test]
fn every_layer_is_named_and_sized() {
    let profile = profile_of::<Convolution>();
    assert_eq!(
        names(&profile),
        [
            "blocks.0.0",
            "blocks.0.1",
            "blocks.0.2",
            "blocks.1.0",
            "blocks.1.1",
            "blocks.1.2",
            "pool",
            "head"
        ]
    );
    // Convolutions with biases, scales and shifts of the norms, the head.
    assert_eq!(
        parameter_bytes(&profile),
        [4 * 76, 4 * 8, 0, 4 * 148, 4 * 8, 0, 0, 4 * 51]
    );
    let square = 4 * 4 * 25;
    assert_eq!(
        output_bytes(&profile),
        [
            square,
            square,
            square,
            square,
            square,
            square,
            4 * 16,
            4 * 3
        ]
    );
    assert_eq!(profile.input_bytes_per_sample, 4.0 * 2.0 * 25.0);
    for layer in &profile.layers {
        let sizes: Vec<_> = layer.measurements.iter().map(|it| it.num_samples).collect();
        assert_eq!(sizes, [2, 4]);
        let times = layer
            .measurements
            .iter()
            .map(|it| (it.forward, it.recorded_forward));
        assert!(
            times
                .into_iter()
                .all(|(one, other)| one > 0.0 && other > 0.0)
        );
        assert!(layer.measurements.iter().all(|it| begun(it) > 0.0));
    }
    assert_eq!(profile.loss.len(), 2);
    assert!(profile.loss_at(4).recorded_forward > 0.0);
}

#[test]
fn an_integer_input_is_sized_by_its_own_type() {
    let profile = profile_of::<Encoded>();
    assert_eq!(
        names(&profile),
        [
            "embedding",
            "positions",
            "linear",
            "permute",
            "rotary",
            "head"
        ]
    );
    // The table of positions, the order and the rotations do not train.
    assert_eq!(parameter_bytes(&profile), [4 * 28, 0, 4 * 20, 0, 0, 4 * 10]);
    let (tokens, _) = Encoded::batch(1, &Device::flex());
    assert_eq!(
        profile.input_bytes_per_sample,
        5.0 * tokens.dtype().size() as f64
    );
    assert_eq!(output_bytes(&profile)[5], 4 * 5 * 2);
}

#[test]
fn what_skips_carry_is_part_of_what_a_layer_sends() {
    let profile = profile_of::<Skips<Skip<Tensor<2>>>>();
    let row = 4 * 4;
    assert_eq!(
        output_bytes(&profile),
        [2 * row, 3 * row, 4 * row, 4 * row, 3 * row, 2 * row, row]
    );
    assert!((0..7).all(|it| profile.at(it, 4).recorded_forward > 0.0));
}

#[test]
fn a_tied_weight_is_told_once_with_its_layers() {
    let profile = profile_of::<Tied>();
    assert_eq!(
        profile.shared_parameters,
        [SharedParameter {
            bytes: 4 * 24,
            layers: vec![0, 2, 3, 5],
        }]
    );
    assert_eq!(parameter_bytes(&profile), [0, 4 * 42, 0, 0, 4 * 42, 0]);
}

#[test]
fn what_is_frozen_and_before_what_trains_has_no_backward_pass() {
    let profile = profile_of::<Frozen<0, 4>>();
    for layer in &profile.layers[..4] {
        assert_eq!(layer.parameter_bytes, 0);
        assert!(layer.measurements.iter().all(|it| it.backward == 0.0));
    }
    assert!(begun(&profile.layers[4].measurements[0]) > 0.0);
}

/// The numbers of a first step: alone, or after a profile.
fn step<T: Toy>(is_profiled: bool) -> (Step, Parameters) {
    let device = Device::flex().autodiff();
    let model = T::model(&device);
    if is_profiled {
        let before = parameters(&model);
        profiler()
            .profile_with_loss(&model, T::batch(4, &device), T::loss, &device)
            .unwrap();
        assert_same_parameters(&parameters(&model), &before);
    }
    let reference = ByMicroBatches {
        num_micro_batches: 1,
        last_first: false,
        seed: 0,
        step: 0,
    };
    let (loss, gradients) = reference.gradients::<T>(&model, T::batch(4, &device), &device);
    (Step::new(loss, &gradients, &model), parameters(&model))
}

fn a_profile_leaves_the_model<T: Toy>() {
    let _draws = T::DRAWS.then(generator);
    let (alone, parameters_alone) = step::<T>(false);
    let (profiled, parameters) = step::<T>(true);
    profiled.assert_same(&alone);
    assert_same_parameters(&parameters, &parameters_alone);
}

#[rstest]
#[case::running_statistics(a_profile_leaves_the_model::<Convolution>)]
#[case::dropout(a_profile_leaves_the_model::<Transformer>)]
#[case::counted_dropout(a_profile_leaves_the_model::<Counted>)]
#[case::ints(a_profile_leaves_the_model::<Encoded>)]
#[case::skips(a_profile_leaves_the_model::<Skips<Skip<Tensor<2>>>>)]
#[case::tied(a_profile_leaves_the_model::<Tied>)]
#[case::unused(a_profile_leaves_the_model::<Unused>)]
#[case::frozen(a_profile_leaves_the_model::<Frozen<1, 3>>)]
fn a_model_trains_after_a_profile_as_without_one(#[case] check: fn()) {
    check();
}

#[test]
fn progress_is_told_with_the_layer_that_comes_next_on_the_thread_that_asks() {
    let device = Device::flex().autodiff();
    let told = Rc::new(RefCell::new(Vec::new()));
    let telling = told.clone();
    let (input, _) = Mlp::batch(4, &device);
    profiler()
        .with_neighbours(1)
        .with_layers_at_once(2)
        .with_progress(move |done, total, layer| {
            telling.borrow_mut().push((done, total, layer.to_string()));
        })
        .profile(&Mlp::model(&device), input, &device)
        .unwrap();
    let told: Vec<_> = told.take();
    let told: Vec<_> = told.iter().map(|it| (it.0, it.1, it.2.as_str())).collect();
    assert_eq!(
        told,
        [
            (0, 5, "hidden.0"),
            (2, 5, "hidden.2"),
            (4, 5, "head"),
            (5, 5, ""),
        ]
    );
}

type SomeSkips = Skips<Skip<Tensor<2>>>;

#[rstest]
#[case(1)]
#[case(3)]
#[case(100)]
fn however_many_layers_are_there_at_once_each_is_the_same(#[case] layers_at_once: usize) {
    let _draws = generator();
    let device = Device::flex().autodiff();
    let profile = profiler()
        .with_layers_at_once(layers_at_once)
        .profile(
            &SomeSkips::model(&device),
            SomeSkips::batch(4, &device).0,
            &device,
        )
        .unwrap();
    let usual = profile_of::<SomeSkips>();
    assert_eq!(names(&profile), names(&usual));
    assert_eq!(parameter_bytes(&profile), parameter_bytes(&usual));
    assert_eq!(output_bytes(&profile), output_bytes(&usual));
    for layer in &profile.layers {
        assert!(layer.measurements.iter().all(|it| it.forward > 0.0));
    }
}

#[test]
fn a_profile_is_stored_as_json_and_read_again() {
    let profile = profile_of::<Tied>();
    let stored = profile.to_json();
    assert_eq!(Profile::from_json(&stored).unwrap(), profile);
    let wrong = stored.replace("\"num_samples\": 2", "\"num_samples\": 4");
    let error = Profile::from_json(&wrong).unwrap_err().to_string();
    assert!(error.starts_with("layer 0 (`there`) is measured with 4 samples and then with 4"));
}
