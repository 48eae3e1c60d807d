//! The memory that a pipeline has in flight, and that none is left of it.

use burn::module::Module;
use burn::nn::{Gelu, Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    PipelineConfig, PipelineModule, PipelineOptimizer, Placement, Profiler, Ranked,
    Rematerialization, ScheduleKind, Sequential, lift, ranked,
};
use burn_pipeline_tests::data::floats;
use burn_pipeline_tests::fragile::{Event, Watched};
use burn_pipeline_tests::models::{Grouped, Toy, mean_square};
use burn_pipeline_tests::pipelined;
use rstest::rstest;

use super::{
    ALLOCATOR, NUM_SAMPLES, WIDTH, assert_leaves_nothing, bridged, most_bytes, pipeline, scheduled,
    silence_workers, train, train_bridge, turn,
};

#[rstest]
fn steps_leave_no_graph_behind(
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    mode: Rematerialization,
    #[values("gpipe", "1f1b", "interleaved:2")] schedule: &str,
) {
    let _turn = turn();
    let (pipeline, fault) = scheduled(schedule.parse().unwrap(), mode);
    assert_leaves_nothing(|_| train(&pipeline, &fault).unwrap());
}

#[rstest]
fn steps_that_fail_leave_no_graph_behind(
    #[values(0, 1, 2)] stage: usize,
    #[values(Event::Run, Event::Visit)] event: Event,
    #[values(Rematerialization::Never, Rematerialization::Always)] mode: Rematerialization,
    #[values("gpipe", "interleaved:2")] schedule: &str,
) {
    let _turn = turn();
    silence_workers();
    let (pipeline, fault) = scheduled(schedule.parse().unwrap(), mode);
    assert_leaves_nothing(|round| {
        fault.arm(stage, event, round % 4);
        train(&pipeline, &fault).unwrap_err();
    });
}

#[rstest]
fn steps_with_skips_leave_no_graph_behind(
    #[values(Rematerialization::Never, Rematerialization::Always)] mode: Rematerialization,
    #[values("gpipe", "1f1b", "interleaved:2")] schedule: &str,
) {
    let _turn = turn();
    let (pipeline, fault) = bridged(schedule.parse().unwrap(), mode);
    assert_leaves_nothing(|_| train_bridge(&pipeline, &fault).unwrap());
}

#[rstest]
fn steps_that_fail_between_the_ends_of_a_skip_leave_no_graph_behind(
    #[values(0, 1, 2)] stage: usize,
    #[values(Event::Run, Event::Visit)] event: Event,
    #[values(Rematerialization::Never, Rematerialization::Always)] mode: Rematerialization,
    #[values("gpipe", "interleaved:2")] schedule: &str,
) {
    let _turn = turn();
    silence_workers();
    let (pipeline, fault) = bridged(schedule.parse().unwrap(), mode);
    assert_leaves_nothing(|round| {
        fault.arm(stage, event, round % 4);
        train_bridge(&pipeline, &fault).unwrap_err();
    });
}

/// The leaves of one stage are on several devices, and one backward pass takes out what they recorded.
#[rstest]
fn steps_that_fail_on_groups_of_devices_leave_no_graph_behind(
    #[values(&[5], &[2, 3])] counts: &[usize],
    #[values(Rematerialization::Never, Rematerialization::Always)] mode: Rematerialization,
) {
    let _turn = turn();
    silence_workers();
    let config = PipelineConfig::new()
        .with_num_micro_batches(4)
        .with_rematerialization(mode)
        .with_threads_per_stage(Some(2));
    let pipeline = pipelined::pipeline::<Grouped>(&config, counts, &Device::flex());
    // Threads that a backend starts for good are named by the one that was first to need them.
    let (input, _) = Grouped::batch(NUM_SAMPLES, &Device::flex());
    drop(pipeline.inner().valid().forward_layers(input));
    assert_leaves_nothing(|_| {
        let (input, target) = Grouped::batch(NUM_SAMPLES, &Device::flex());
        let fail = |_, _| panic!("a fault that the test asked for");
        let step = pipeline.train_step(input, target, fail);
        assert!(step.is_err());
    });
}

/// Two stages of 1F1B have 2 and 1 micro-batches in flight, where GPipe has all of them twice.
#[test]
fn one_forward_one_backward_keeps_what_is_in_flight_and_no_more() {
    const NUM_MICRO_BATCHES: usize = 16;
    const SAMPLES: usize = 4096;
    let _turn = turn();
    let peak = |kind: ScheduleKind| {
        let device = Device::flex();
        let layer =
            || -> Ranked<Linear, 2> { ranked(LinearConfig::new(WIDTH, WIDTH).init(&device)) };
        let layers: Vec<_> = (0..8)
            .map(|_| (layer(), ranked::<Gelu, 2>(Gelu::new())))
            .collect();
        let pipeline = PipelineConfig::new()
            .with_num_micro_batches(NUM_MICRO_BATCHES)
            .with_schedule(kind)
            .with_rematerialization(Rematerialization::Never)
            .with_threads_per_stage(Some(1))
            .init(layers, Placement::even(&[device.clone(), device.clone()]))
            .unwrap();
        let batch = floats([SAMPLES, WIDTH], 1, &device);
        let step = || {
            let (input, target) = (batch.clone(), batch.clone());
            drop(pipeline.train_step(input, target, mean_square).unwrap());
        };
        step();
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        step();
        ALLOCATOR.peak_usage() - before
    };
    let fill_and_drain = peak(ScheduleKind::GPipe);
    let one_and_one = peak(ScheduleKind::OneForwardOneBackward);
    assert!(
        one_and_one * NUM_MICRO_BATCHES <= 2 * fill_and_drain,
        "{one_and_one} bytes of 1F1B, {fill_and_drain} of GPipe"
    );
}

#[rstest]
fn inference_leaves_no_graph_behind(#[values("gpipe", "interleaved:2")] schedule: &str) {
    let _turn = turn();
    let (pipeline, fault) = scheduled(schedule.parse().unwrap(), Rematerialization::Never);
    assert_leaves_nothing(|_| {
        let input = floats([NUM_SAMPLES, WIDTH], 1, &Device::flex());
        pipeline.forward(Watched(input, fault.clone())).unwrap();
    });
}

#[test]
fn a_loss_that_depends_on_nothing_is_an_error_and_leaves_no_graph_behind() {
    let _turn = turn();
    silence_workers();
    let (pipeline, fault) = pipeline(Rematerialization::Never);
    assert_leaves_nothing(|_| {
        let input = floats([NUM_SAMPLES, WIDTH], 1, &Device::flex());
        let step = pipeline.train_step(Watched(input, fault.clone()), (), |output, ()| {
            output.0.detach().mean()
        });
        let error = step.err().unwrap().to_string();
        assert!(
            error.contains("depend on no parameter that trains"),
            "{error}"
        );
    });
}

fn working(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    linear.forward(input)
}

fn failing(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    let output = linear.forward(input);
    match output.is_tracked() {
        true => panic!("no such luck"),
        false => output,
    }
}

/// The layer that fails does so when it records, with the others before it recorded already.
#[rstest]
fn profiles_that_fail_leave_no_graph_behind(
    #[values(2, 6)] layers_at_once: usize,
    #[values(0, 1)] num_neighbours: usize,
) {
    let _turn = turn();
    silence_workers();
    let device = Device::flex();
    let layer = |index: usize| {
        let forward: fn(&Linear, Tensor<2>) -> Tensor<2> = match index {
            3 => failing,
            _ => working,
        };
        lift(LinearConfig::new(WIDTH, WIDTH).init(&device), forward)
    };
    let layers: Vec<_> = (0..6).map(layer).collect();
    assert_leaves_nothing(|_| {
        let error = Profiler::new()
            .with_repetitions(1)
            .with_layers_at_once(layers_at_once)
            .with_neighbours(num_neighbours)
            .profile(&layers, floats([NUM_SAMPLES, WIDTH], 1, &device), &device)
            .unwrap_err();
        let expected = "layer 3 (`3`) failed on 256 samples: no such luck";
        assert_eq!(error.to_string(), expected);
    });
}

const LARGE: usize = 1 << 20;

/// Adds the mean of `LARGE` numbers that are all `number`.
fn add_many(output: Tensor<2>, number: Tensor<1>) -> Tensor<2> {
    let many = number.unsqueeze::<2>().repeat_dim(1, LARGE);
    output + many.mean().unsqueeze()
}

fn large_forward(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    let output = linear.forward(input);
    add_many(output.clone(), output.detach().mean())
}

fn large_both_ways(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
    let output = linear.forward(input);
    add_many(output.clone(), output.mean())
}

/// Each layer has 4 MiB for a while, which it does not keep.
#[rstest]
#[case::forward(large_forward, false)]
#[case::both_ways(large_both_ways, true)]
fn what_a_layer_works_with_is_measured(
    #[case] forward: fn(&Linear, Tensor<2>) -> Tensor<2>,
    #[case] is_large_backward: bool,
) {
    let _turn = turn();
    let device = Device::flex();
    let layers = vec![lift(LinearConfig::new(16, 16).init(&device), forward)];
    let profile = Profiler::new()
        .with_repetitions(1)
        .with_live_bytes(|| ALLOCATOR.current_usage() as u64)
        .with_peak_bytes(most_bytes)
        .profile(&layers, Tensor::<2>::ones([4, 16], &device), &device)
        .unwrap();
    let measured = profile.at(0, 4);
    let large = 4 * LARGE as u64;
    assert!(measured.activation_bytes < large / 4, "{measured:?}");
    let working = measured.working_bytes.unwrap();
    assert!(
        (large..4 * large).contains(&working.forward),
        "{measured:?}"
    );
    assert_eq!(working.backward >= large, is_large_backward, "{measured:?}");
}

/// An optimizer's step holds no second copy of the parameters: with gradients and states there
/// already, it makes what one parameter at a time on each stage needs.
#[test]
fn an_optimizer_steps_in_place() {
    const NUM_LAYERS: usize = 32;
    const WIDE: usize = 128;
    let _turn = turn();
    let device = Device::flex();
    let layer = || -> Ranked<Linear, 2> { ranked(LinearConfig::new(WIDE, WIDE).init(&device)) };
    let start = || {
        let layers: Vec<_> = (0..NUM_LAYERS).map(|_| layer()).collect();
        PipelineConfig::new()
            .with_threads_per_stage(Some(1))
            .init(layers, Placement::even(&[device.clone(), device.clone()]))
            .unwrap()
    };
    let batch = floats([8, WIDE], 1, &device);
    let grads = |pipeline: &PipelineModule<Vec<Ranked<Linear, 2>>>| {
        let (input, target) = (batch.clone(), batch.clone());
        let step = pipeline.train_step(input, target, mean_square);
        step.unwrap().grads
    };
    let of_one = 4 * WIDE * WIDE;

    let mut pipeline = start();
    let mut optimizer = PipelineOptimizer::new(AdamConfig::new().init());
    let mut plain = start();
    let mut burns = AdamConfig::new().init();
    let mut peaks = Vec::new();
    for _ in 0..3 {
        let of_step = grads(&pipeline);
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        pipeline = optimizer.step(1e-3, pipeline, of_step).unwrap();
        let peak = ALLOCATOR.peak_usage().saturating_sub(before);

        let of_step = grads(&plain);
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        plain = burns.step(1e-3, plain, of_step);
        peaks.push((peak, ALLOCATOR.peak_usage().saturating_sub(before)));
    }
    let (peak, of_burns) = peaks[2];
    println!("{peaks:?} bytes, {of_one} of one weight of {NUM_LAYERS}");
    assert!(
        peak < 8 * of_one,
        "{peak} bytes more, {of_burns} by Burn's own optimizer, {of_one} of one weight"
    );
}
