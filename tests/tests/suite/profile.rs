//! Profiles of models, and what is left of the model after one.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock};
use std::thread::ThreadId;
use std::time::Duration;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    BytesSource, Lift, Link, MeasuredLink, Measurement, PipelineError, Profile, Profiler,
    SharedParameter, Skip, lift, measure_links, measured_cluster, profile,
};
use burn_pipeline_tests::compare::{Parameters, Step, assert_same_parameters, parameters};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{
    Convolution, Counted, Encoded, Frozen, Mlp, Skips, Tied, Toy, Transformer, Unused,
};
use burn_pipeline_tests::reference::ByMicroBatches;
use rstest::rstest;

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

/// How often each thread has been through a layer, in the order in which they came to it.
static THROUGH: Mutex<Vec<(ThreadId, usize)>> = Mutex::new(Vec::new());
/// Whether each neighbour had been through it when the thread came that is measured.
static WAITED: OnceLock<bool> = OnceLock::new();

fn slow_for_the_second(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    let id = std::thread::current().id();
    let place = {
        let mut through = THROUGH.lock().unwrap();
        let place = through.iter().position(|(it, _)| *it == id);
        place.unwrap_or_else(|| {
            through.push((id, 0));
            if through.len() == 3 {
                let _ = WAITED.set(through[..2].iter().all(|(_, times)| *times > 0));
            }
            through.len() - 1
        })
    };
    if place == 1 {
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = linear.forward(input);
    THROUGH.lock().unwrap()[place].1 += 1;
    output
}

/// A fast neighbour that had run several times was taken for all of them.
#[test]
fn a_layer_is_timed_when_every_neighbour_is_at_work() {
    let device = Device::flex().autodiff();
    let row: Row = lift(
        LinearConfig::new(4, 4).init(&device),
        slow_for_the_second as fn(&Linear, Tensor<2>) -> Tensor<2>,
    );
    Profiler::new()
        .with_repetitions(1)
        .with_neighbours(2)
        .profile(&row, Tensor::<2>::ones([4, 4], &device), &device)
        .unwrap();
    assert_eq!(WAITED.get(), Some(&true));
}

#[test]
fn progress_is_told_layer_by_layer_on_the_thread_that_asks() {
    let device = Device::flex().autodiff();
    let told = Rc::new(RefCell::new(Vec::new()));
    let telling = told.clone();
    let (input, _) = Mlp::batch(4, &device);
    profiler()
        .with_neighbours(1)
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
            (1, 5, "hidden.1"),
            (2, 5, "hidden.2"),
            (3, 5, "hidden.3"),
            (4, 5, "head"),
            (5, 5, ""),
        ]
    );
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

#[test]
fn a_device_reaches_itself_at_once() {
    let links = measure_links(&[Device::flex(), Device::flex()]).unwrap();
    let ends: Vec<_> = links.iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(ends, [(0, 1), (1, 0)]);
    assert!(links.iter().all(|it| it.link == Link::NONE));
}

#[test]
fn what_moves_between_two_devices_takes_time_both_ways() {
    let devices = two_devices();
    let links = measure_links(&devices).unwrap();
    let ends: Vec<_> = links.iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(ends, [(0, 1), (1, 0)]);
    for MeasuredLink { link, .. } in links {
        assert_takes_time(link);
    }
}

#[test]
fn a_measured_cluster_has_the_links_between_its_devices() {
    let devices = two_devices();
    let model = Mlp::model(&devices[0]);
    let profiles: Vec<_> = devices
        .iter()
        .map(|device| {
            let (input, _) = Mlp::batch(4, &devices[0]);
            profiler().profile(&model, input, device).unwrap()
        })
        .collect();
    let cluster = measured_cluster(&devices, &profiles).unwrap();
    assert_eq!(cluster.num_devices(), 2);
    for device in [0, 1] {
        let flops = cluster.device(device).flops;
        assert!(flops.is_finite() && flops > 0.0, "{flops}");
        assert_eq!(cluster.device(device).name, profiles[device].device);
        assert_takes_time(cluster.link(device, 1 - device));
    }
}

/// Memory moves 4 MiB in more time than 64 bytes, and no more than a terabyte in a second.
fn assert_takes_time(link: Link) {
    assert!((1e-9..1.0).contains(&link.latency), "{link:?}");
    assert!((1e3..1e12).contains(&link.bandwidth), "{link:?}");
}
