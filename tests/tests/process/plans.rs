//! What a plan says that a stage needs, beside what it has.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Cluster, DeviceSpec, Lift, Link, PipelineConfig, Placement, Planner, Profile, Profiler,
    Rematerialization, ScheduleKind, lift,
};
use burn_pipeline_tests::data::{filled, floats};
use rstest::rstest;

use super::{ALLOCATOR, most_bytes, turn};

type Row = Vec<Lift<Linear, Tensor<2>, Tensor<2>>>;

const BATCH_SIZE: usize = 2048;
const NUM_MICRO_BATCHES: usize = 4;
/// Little comes in and goes out: the mini-batch itself is in no plan.
const WIDTHS: [usize; 8] = [4, 128, 256, 64, 192, 192, 96, 1];

fn row(device: &Device) -> Row {
    fn forward(linear: &Linear, input: Tensor<2>) -> Tensor<2> {
        gelu(linear.forward(input))
    }
    let layers = WIDTHS.windows(2).map(|width| {
        let linear = LinearConfig::new(width[0], width[1]).init(device);
        lift(linear, forward as fn(&Linear, Tensor<2>) -> Tensor<2>)
    });
    filled(layers.collect())
}

fn mean(output: Tensor<2>, _target: Tensor<2>) -> Tensor<1> {
    output.mean()
}

fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
    let [input, target] = [WIDTHS[0], 1].map(|width| [num_samples, width]);
    (floats(input, 1, device), floats(target, 2, device))
}

fn profile(device: &Device) -> Profile {
    let batch = batch(BATCH_SIZE / NUM_MICRO_BATCHES, device);
    Profiler::new()
        .with_repetitions(1)
        .with_threads_per_stage(Some(1))
        .with_live_bytes(|| ALLOCATOR.current_usage() as u64)
        .with_peak_bytes(most_bytes)
        .profile_with_loss(&row(device), batch, mean, device)
        .unwrap()
}

/// One stage, so that all that the process has is on it. A plan has what a layer works with on top
/// of all that is kept, so it is never too low.
#[rstest]
fn a_stage_needs_what_its_plan_says(
    #[values(ScheduleKind::GPipe, ScheduleKind::OneForwardOneBackward)] schedule: ScheduleKind,
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    let _turn = turn();
    let device = Device::flex();
    let profile = profile(&device);
    let spec = DeviceSpec {
        name: profile.device.clone(),
        flops: 1.0,
        memory_bytes: None,
    };
    let cluster = Cluster::uniform(1, spec, Link::NONE).unwrap();
    let plan = Planner::new(&profile, &cluster)
        .with_schedules(std::slice::from_ref(&schedule))
        .with_rematerializations(&[rematerialization])
        .with_num_micro_batches([NUM_MICRO_BATCHES])
        .plan(BATCH_SIZE)
        .unwrap();
    let [memory] = plan.memory() else {
        panic!("one device makes one stage: {plan}")
    };
    let planned = memory.kept_bytes + memory.working_bytes;

    let pipeline = PipelineConfig::from_plan(&plan)
        .with_threads_per_stage(Some(1))
        .init(
            row(&device),
            Placement::of_plan(&plan, std::slice::from_ref(&device)).unwrap(),
        )
        .unwrap();
    let mut counted = (0..3).map(|_| {
        let (input, target) = batch(BATCH_SIZE, &device);
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        pipeline.train_step(input, target, mean).unwrap();
        ALLOCATOR.peak_usage() - before
    });
    // In the first step kernels make what they work in, once for each thread.
    counted.next();
    let counted = counted.max().unwrap();
    let ratio = counted as f64 / planned as f64;
    assert!(
        (0.9..=1.0).contains(&ratio),
        "{counted} bytes, planned {planned}: {ratio:.3}"
    );
}
