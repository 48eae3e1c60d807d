//! A server killed at any moment: an error that names it, and a run that goes on.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use burn_pipeline::{PipelineError, PipelineOptimizer, Saved};
use burn_pipeline_tests::compare::{Parameters, parameters};
use burn_pipeline_tests::optimizers::adam;
#[cfg(target_os = "linux")]
use burn_pipeline_tests::threads::assert_stage_threads;
use remote_stages::ServerProcess;

use super::alone::{alone, silence_workers};
use super::losing::{BOUND, lost, pipeline, step};
use super::servers::{remote, start};

/// Steps of a run; one is saved after each second.
const NUM_STEPS: u64 = 8;

/// How many servers are killed, unless the environment says so: `BURN_PIPELINE_KILLS`.
fn num_kills() -> u64 {
    let kills = std::env::var("BURN_PIPELINE_KILLS");
    kills.map_or(12, |kills| kills.parse().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_killed_at_any_moment_is_named_and_the_run_goes_on() {
    alone(
        "killed::a_server_killed_at_any_moment_is_named_and_the_run_goes_on",
        kill_all,
    );
}

fn kill_all() {
    silence_workers();
    let undisturbed = undisturbed();
    let directory = std::env::temp_dir().join(format!("killed-{}", std::process::id()));
    let mut servers: Vec<ServerProcess> = (0..3).map(|_| start("flex")).collect();
    let mut told = std::collections::BTreeMap::<String, usize>::new();
    let mut slowest = Duration::ZERO;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for kill in 0..num_kills() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(kill | 1);
        let victim = (random >> 33) as usize % servers.len();
        let after = Duration::from_micros(10_000 + (random >> 20) % 190_000);

        let saved = Saved::new(&directory);
        let mut devices = vec![Device::flex()];
        devices.extend(servers.iter().map(|it| remote(it).device(0).unwrap()));
        let mut optimizer = PipelineOptimizer::new(adam());
        let mut pipeline = pipeline(&devices);
        saved.save(&pipeline, &optimizer, None, &()).unwrap();

        let url = servers[victim].url().to_string();
        let process = servers[victim].id();
        let killer = thread::spawn(move || {
            thread::sleep(after);
            let killed = Command::new("kill")
                .args(["-9", &process.to_string()])
                .status();
            assert!(killed.unwrap().success());
            Instant::now()
        });
        let error: PipelineError = loop {
            if pipeline.num_steps().is_multiple_of(2) && pipeline.num_steps() < NUM_STEPS {
                // A server may be gone by now: then what was saved before stays.
                let _ = saved.save(&pipeline, &optimizer, None, &());
            }
            match step(pipeline, &mut optimizer) {
                Ok(next) => pipeline = next,
                Err(error) => break error,
            }
        };
        let failed = Instant::now();
        let killed = killer.join().unwrap();
        let took = failed.saturating_duration_since(killed);
        slowest = slowest.max(took);
        assert!(took < BOUND, "kill {kill}: {took:?}");
        let lost = lost(error);
        assert_eq!(
            (lost.stage, lost.device.clone()),
            (victim + 1, format!("remote:{url}/0")),
            "kill {kill}: {lost}"
        );
        let doing = lost.doing.split(" of ").next().unwrap().to_string();
        *told.entry(doing).or_default() += 1;

        servers.remove(victim);
        let mut devices = vec![Device::flex()];
        devices.extend(servers.iter().map(|it| remote(it).device(0).unwrap()));
        let loaded = saved
            .load::<_, ()>(self::pipeline(&devices), PipelineOptimizer::new(adam()))
            .unwrap();
        let (mut pipeline, mut optimizer) = (loaded.pipeline, loaded.optimizer);
        while pipeline.num_steps() < NUM_STEPS {
            pipeline = step(pipeline, &mut optimizer).unwrap();
        }
        assert_eq!(parameters(&pipeline), undisturbed, "kill {kill}");
        drop(pipeline);
        assert_stage_threads(&[]);
        servers.push(start("flex"));
    }
    println!(
        "{} kills, the slowest error after {slowest:?}, noticed in {told:?}",
        num_kills()
    );
    std::fs::remove_dir_all(directory).unwrap();
}

fn undisturbed() -> Parameters {
    let mut optimizer = PipelineOptimizer::new(adam());
    let mut pipeline = pipeline(&[Device::flex(), Device::flex()]);
    while pipeline.num_steps() < NUM_STEPS {
        pipeline = step(pipeline, &mut optimizer).unwrap();
    }
    parameters(&pipeline)
}
