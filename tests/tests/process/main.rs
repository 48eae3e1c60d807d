//! What a pipeline leaves behind in its process: memory and threads.
//!
//! These tests count for the whole process, so they are alone in this binary and take turns.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    PipelineConfig, PipelineError, PipelineModule, Placement, Rematerialization, ScheduleKind,
};
use burn_pipeline_tests::data::floats;
use burn_pipeline_tests::fragile::{Bridge, Bridged, Fault, Fragile, Watched, bridge, fragile};
use burn_pipeline_tests::models::mean_square;
use peak_alloc::PeakAlloc;

mod memory;
mod plans;
#[cfg(target_os = "linux")]
mod threads;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const WIDTH: usize = 32;
const NUM_SAMPLES: usize = 256;
const NUM_ROUNDS: usize = 40;
/// Half of what is left when every round leaves one activation of one micro-batch. Queues and
/// tables of the process move by less.
const LEAK: usize = NUM_ROUNDS * (4 * WIDTH * NUM_SAMPLES / 4) / 2;

/// The most bytes that have been alive since this was last asked.
fn most_bytes() -> u64 {
    let most = ALLOCATOR.peak_usage() as u64;
    ALLOCATOR.reset_peak_usage();
    most
}

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pipeline(mode: Rematerialization) -> (PipelineModule<Vec<Fragile>>, Fault) {
    scheduled(ScheduleKind::GPipe, mode)
}

fn scheduled(kind: ScheduleKind, mode: Rematerialization) -> (PipelineModule<Vec<Fragile>>, Fault) {
    let device = Device::flex();
    let (model, fault) = fragile(6, WIDTH, &device);
    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(4)
        .with_schedule(kind)
        .with_rematerialization(mode)
        .with_threads_per_stage(Some(2))
        .init(model, Placement::even(&vec![device; 3]))
        .unwrap();
    (pipeline, fault)
}

fn train(pipeline: &PipelineModule<Vec<Fragile>>, fault: &Fault) -> Result<(), PipelineError> {
    let device = Device::flex();
    let input = Watched(floats([NUM_SAMPLES, WIDTH], 1, &device), fault.clone());
    let target = floats([NUM_SAMPLES, WIDTH], 2, &device);
    pipeline
        .train_step(input, target, |output: Watched, target: Tensor<2>| {
            mean_square(output.0, target)
        })
        .map(|_| ())
}

/// Six layers on three stages, a skip from the first layer to the last.
fn bridged(kind: ScheduleKind, mode: Rematerialization) -> (PipelineModule<Bridge>, Fault) {
    let device = Device::flex();
    let (model, fault) = bridge(6, WIDTH, &device);
    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(4)
        .with_schedule(kind)
        .with_rematerialization(mode)
        .with_threads_per_stage(Some(2))
        .init(model, Placement::even(&vec![device; 3]))
        .unwrap();
    (pipeline, fault)
}

fn train_bridge(pipeline: &PipelineModule<Bridge>, fault: &Fault) -> Result<(), PipelineError> {
    let device = Device::flex();
    let input = Watched(floats([NUM_SAMPLES, WIDTH], 1, &device), fault.clone());
    let target = floats([NUM_SAMPLES, WIDTH], 2, &device);
    let step = pipeline.train_step(
        (input, Vec::new()),
        target,
        |(output, _): Bridged, target: Tensor<2>| mean_square(output.0, target),
    );
    step.map(|_| ())
}

/// What a worker prints when it panics is kept by the test runner, and would count.
fn silence_workers() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            if !thread.name().unwrap_or_default().starts_with("stage-") {
                print(panic);
            }
        }));
    });
}

/// Asserts that live bytes do not grow from the fifth to the last of many rounds.
#[track_caller]
fn assert_leaves_nothing(mut round: impl FnMut(usize)) {
    (0..5).for_each(&mut round);
    let before = ALLOCATOR.current_usage();
    (5..5 + NUM_ROUNDS).for_each(&mut round);
    let growth = ALLOCATOR.current_usage().saturating_sub(before);
    assert!(
        growth < LEAK,
        "{growth} bytes more after {NUM_ROUNDS} rounds"
    );
}
