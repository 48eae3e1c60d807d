//! How long it takes to find cuts and plans.

use std::error::Error;

use burn_pipeline::{
    BytesSource, Cluster, DeviceSpec, Host, LayerProfile, Link, Measurement, PartitionProblem,
    PlanError, Planner, Profile, Sending, StageDevice,
};
use serde::Serialize;

use crate::measure::{median, seconds};
use crate::report::Report;

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    what: &'static str,
    layers: usize,
    devices: usize,
    /// Of each device, where there is one.
    memory_mib: Option<u64>,
    seconds: f64,
    /// Candidates that were considered, and of these, simulated.
    candidates: Option<usize>,
    simulated: Option<usize>,
    found: String,
}

const MIB: u64 = 1 << 20;
const LINK: Link = Link {
    latency: 2e-5,
    bandwidth: 1e10,
};

/// Measure and report.
///
/// # Errors
///
/// When what should have a solution has none.
pub fn run(report: &Report) -> Result<(), Box<dyn Error>> {
    report.conditions(
        "planner, search: the time to find the best cuts of 1,000 layers on 64 devices that all differ, \
         with links, and the best plan of 100 uneven layers on 16 devices for a mini-batch of 256.",
    );
    partition(report, Some(400))?;
    partition(report, None)?;
    let limits = [None, Some(400), Some(120), Some(20)];
    for memory in limits {
        plan(report, "plan, equal devices", &[1.0; 16], memory)?;
    }
    let kinds: Vec<f64> = (0..16).map(|it| 1.0 + (it % 2) as f64).collect();
    plan(report, "plan, two kinds of devices", &kinds, Some(400))
}

/// Numbers without a pattern, from 0 to 1.
fn uneven(index: usize) -> f64 {
    (index as f64 * 0.618_034).fract()
}

fn partition(report: &Report, memory_mib: Option<u64>) -> Result<(), Box<dyn Error>> {
    let (layers, devices) = (1000, 64);
    let weights: Vec<f64> = (0..layers).map(|it| 1e-3 * (0.5 + uneven(it))).collect();
    let device = |index| StageDevice {
        speed: 1.0 + uneven(7 * index + 3),
        memory_bytes: memory_mib.map(|mib| (mib as f64 * (0.8 + uneven(index))) as u64 * MIB),
    };
    let problem = PartitionProblem::new(weights, (0..devices).map(device).collect())
        .with_bytes(
            (0..layers)
                .map(|it| 8 * MIB + it as u64 % 7 * MIB)
                .collect(),
        )
        .with_links(
            (0..layers).map(|it| MIB + it as u64 % 5 * MIB).collect(),
            |_, _| LINK,
            Sending::Waited,
        );
    let mut times = Vec::new();
    let mut bottleneck = 0.0;
    for _ in 0..report.repetitions() {
        let (best, time) = seconds(|| problem.solve());
        bottleneck = best?.bottleneck;
        times.push(time);
    }
    report.result(&Line {
        bench: "planner-search",
        what: "partition",
        layers,
        devices,
        memory_mib,
        seconds: median(&times),
        candidates: None,
        simulated: None,
        found: format!("bottleneck {:.2} ms", 1e3 * bottleneck),
    });
    Ok(())
}

fn plan(
    report: &Report,
    what: &'static str,
    speeds: &[f64],
    memory_mib: Option<u64>,
) -> Result<(), Box<dyn Error>> {
    let profile = profile(100);
    let device = |speed: &f64| DeviceSpec {
        name: format!("device of speed {speed}"),
        flops: *speed,
        memory_bytes: memory_mib.map(|mib| mib * MIB),
    };
    let host = Host {
        devices: speeds.iter().map(device).collect(),
        link: LINK,
    };
    let cluster = Cluster::new(vec![host], LINK)?;
    let mut times = Vec::new();
    let mut line = None;
    for _ in 0..report.repetitions() {
        let (found, time) = seconds(|| {
            Planner::new(&profile, &cluster)
                .with_profiled_flops(1.0)
                .plan(256)
        });
        times.push(time);
        line = Some(match found {
            Ok(plan) => {
                let explanation = plan.explanation();
                let what = format!("step {:.1} ms", 1e3 * plan.step_seconds());
                let candidates = explanation.num_candidates;
                (Some(candidates), Some(explanation.num_simulated), what)
            }
            Err(PlanError::Memory { .. }) => (None, None, "does not fit".to_string()),
            Err(error) => return Err(error.into()),
        });
    }
    let (candidates, simulated, found) = line.unwrap_or_default();
    report.result(&Line {
        bench: "planner-search",
        what,
        layers: profile.num_layers(),
        devices: speeds.len(),
        memory_mib,
        seconds: median(&times),
        candidates,
        simulated,
        found,
    });
    Ok(())
}

fn profile(num_layers: usize) -> Profile {
    let layer = |index: usize| {
        let measurement = |num_samples: usize| {
            let samples = num_samples as f64;
            let forward = 1e-4 * (0.5 + uneven(index)) * (0.2 + samples);
            Measurement {
                num_samples,
                forward,
                recorded_forward: 1.1 * forward,
                backward: 2.0 * forward,
                pull_back: 0.0,
                activation_bytes: (MIB as f64 * (0.5 + uneven(3 * index)) * samples) as u64,
                output_bytes: MIB / 8 * num_samples as u64,
                working_bytes: None,
            }
        };
        LayerProfile {
            name: format!("blocks.{index}"),
            parameter_bytes: MIB + index as u64 % 3 * MIB,
            measurements: vec![measurement(1), measurement(16)],
        }
    };
    Profile {
        device: "made up".to_string(),
        input_bytes_per_sample: MIB as f64 / 8.0,
        bytes_source: BytesSource::Given,
        layers: (0..num_layers).map(layer).collect(),
        shared_parameters: Vec::new(),
        loss: Vec::new(),
    }
}
