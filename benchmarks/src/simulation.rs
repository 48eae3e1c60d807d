//! Time and memory that it takes to simulate thousands of stages and micro-batches.

use burn_pipeline::{Cost, Costs, ScheduleKind, simulate, validate};
use clap::Args;
use serde::Serialize;

use crate::ALLOCATOR;
use crate::measure::{median, seconds};
use crate::report::Report;

/// The flags of `simulation`: none.
#[derive(Args)]
pub struct Simulation {}

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    schedule: String,
    stages: usize,
    micro_batches: usize,
    instructions: usize,
    /// What it takes to make the schedule, to validate it, and to simulate it.
    generate_seconds: f64,
    validate_seconds: f64,
    simulate_seconds: f64,
    /// All three.
    seconds: f64,
    /// The most bytes alive meanwhile, in MiB.
    peak_mib: f64,
}

const COST: Cost = Cost {
    forward: 1.0,
    recompute: 1.0,
    backward: 2.0,
    boundary: 0.1,
    gradient: 0.1,
    boundary_bytes: 1,
    activation_bytes: 10,
};

impl Simulation {
    /// Measure and report.
    pub fn run(&self, report: &Report) {
        report.conditions(
            "simulation: a schedule is generated, validated and simulated, on one thread.",
        );
        for (kind, stages, micro_batches) in [
            (ScheduleKind::OneForwardOneBackward, 1024, 8192),
            (ScheduleKind::Interleaved { num_chunks: 8 }, 64, 1024),
        ] {
            let runs: Vec<_> = (0..report.repetitions())
                .map(|_| measure(&kind, stages, micro_batches))
                .collect();
            let middle = |of: fn(&Line) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
            report.result(&Line {
                bench: "simulation",
                schedule: kind.to_string(),
                stages,
                micro_batches,
                instructions: runs[0].instructions,
                generate_seconds: middle(|run| run.generate_seconds),
                validate_seconds: middle(|run| run.validate_seconds),
                simulate_seconds: middle(|run| run.simulate_seconds),
                seconds: middle(|run| run.seconds),
                peak_mib: middle(|run| run.peak_mib),
            });
        }
    }
}

fn measure(kind: &ScheduleKind, stages: usize, micro_batches: usize) -> Line {
    ALLOCATOR.reset_peak_usage();
    let (schedule, generate_seconds) = seconds(|| kind.schedule(stages, micro_batches));
    let schedule = schedule.expect("the schedule has stages and micro-batches");
    let (valid, validate_seconds) = seconds(|| validate(&schedule));
    valid.expect("a generated schedule can run");
    let costs = Costs::equal(COST);
    let (simulation, simulate_seconds) = seconds(|| simulate(&schedule, &costs));
    let simulation = simulation.expect("equal costs fit every schedule");
    Line {
        bench: "simulation",
        schedule: kind.to_string(),
        stages,
        micro_batches,
        instructions: simulation.timeline.spans().count(),
        generate_seconds,
        validate_seconds,
        simulate_seconds,
        seconds: generate_seconds + validate_seconds + simulate_seconds,
        peak_mib: ALLOCATOR.peak_usage_as_mb() as f64,
    }
}
