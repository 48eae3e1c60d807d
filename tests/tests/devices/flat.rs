//! Failures that leave nothing behind: threads, memory and files of a long run on servers.

use burn::tensor::{Device, Tensor};
use burn_pipeline::{PipelineConfig, PipelineOptimizer, Placement};
use burn_pipeline_tests::models::{Mlp, Toy};
use burn_pipeline_tests::optimizers::momentum;

use super::alone::{alone, silence_workers};
use super::servers::{remote, start};

/// How many steps, unless the environment says so: `BURN_PIPELINE_STEPS`.
fn num_steps() -> usize {
    let steps = std::env::var("BURN_PIPELINE_STEPS");
    steps.map_or(200, |steps| steps.parse().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn steps_that_fail_and_succeed_in_turn_leave_nothing_behind() {
    alone(
        "flat::steps_that_fail_and_succeed_in_turn_leave_nothing_behind",
        alternate,
    );
}

/// Threads, open files, and kilobytes of memory, of this process.
#[derive(Debug, Clone, Copy)]
struct Held {
    threads: usize,
    files: usize,
    kilobytes: usize,
}

impl Held {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let number = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        Self {
            threads: number("Threads:"),
            files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            kilobytes: number("VmRSS:"),
        }
    }
}

fn alternate() {
    silence_workers();
    let servers = [start("flex"), start("flex")];
    let mut devices = vec![Device::flex()];
    devices.extend(servers.iter().map(|it| remote(it).device(0).unwrap()));
    let mut pipeline = PipelineConfig::new()
        .with_num_micro_batches(2)
        .init(Mlp::model(&Device::flex()), Placement::even(&devices))
        .unwrap();
    let mut optimizer = PipelineOptimizer::new(momentum());
    let (warm_up, num_steps) = (50, num_steps());
    let mut before = None;
    for round in 0..warm_up + num_steps {
        if round == warm_up {
            before = Some(Held::now());
        }
        let (input, target) = Mlp::batch(8, &Device::flex());
        if round % 2 == 0 {
            let failing = |_: Tensor<2>, _: Tensor<2>| -> Tensor<1> { panic!("a loss that fails") };
            pipeline.train_step(input, target, failing).err().unwrap();
            continue;
        }
        let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
        pipeline = optimizer.step(1e-3, pipeline, step.grads).unwrap();
    }
    let (before, after) = (before.unwrap(), Held::now());
    println!("{num_steps} steps: {before:?} before, {after:?} after");
    assert!(after.threads <= before.threads + 2, "threads");
    assert!(after.files <= before.files + 2, "files");
    assert!(after.kilobytes <= before.kilobytes + 4096, "memory");
}
