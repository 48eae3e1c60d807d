//! Steps of a pipeline with each stage on a server, beside their simulation.

use std::error::Error;

use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Cost, Costs, PipelineConfig, PipelineModule, Placement, Rematerialization, ScheduleKind,
    Sequential, simulate,
};
use serde::Serialize;

use super::Remote;
use crate::measure::{median, pipeline_step, ratio, seconds};
use crate::models::{self, Block};
use crate::report::Report;
use crate::servers::{Server, own_cpu_seconds};
use crate::settle::wait_for;

pub(super) const NUM_SAMPLES: usize = 32;
const SEQUENCE: usize = 64;

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    schedule: String,
    rematerialization: String,
    stages: usize,
    micro_batches: usize,
    /// Of one micro-batch on one stage, alone on the machine, in milliseconds.
    forward_milliseconds: f64,
    backward_milliseconds: f64,
    /// Until a boundary is on the next server.
    boundary_milliseconds: f64,
    /// The makespan under these costs, where each stage has a machine of its own.
    simulated_seconds: f64,
    /// What the servers computed during the step, by the cores of the machine: no step can be
    /// shorter here. Nothing where the system does not tell.
    servers_seconds: Option<f64>,
    /// What this program computed during the step, by the cores.
    driver_seconds: Option<f64>,
    /// A whole step, from the call until all gradients are there.
    step_seconds: f64,
    /// By the longer of the simulated makespan and what the servers computed, in the same
    /// repetition; the median of the ratios.
    step_over_bound: f64,
    simulated_bubble: f64,
    /// The share of the step in which a stage does not compute, by the same costs.
    measured_bubble: f64,
}

/// Which pipeline.
struct Choice<'a> {
    kind: &'a ScheduleKind,
    rematerialization: Rematerialization,
    servers: &'a [Server],
    micro_batches: usize,
}

impl Remote {
    pub(super) fn pipelines(&self, report: &Report, device: &str) -> Result<(), Box<dyn Error>> {
        let uneven = |stages: &&usize| !self.layers.is_multiple_of(**stages) || self.layers == 0;
        if let Some(stages) = self.stages.iter().find(uneven) {
            return Err(format!(
                "{} layers are not the same number on each of {stages} stages, and the costs of one stage count for all: give --layers a multiple of --stages",
                self.layers
            )
            .into());
        }
        report.conditions(&format!(
            "remote: a Transformer of {} layers and width {}, {NUM_SAMPLES} samples of {SEQUENCE} positions, \
             each stage on a server of its own with one kernel thread. All servers are on this machine. \
             Costs are those of one stage alone, measured before each step.",
            self.layers, self.width
        ));
        let most = self.stages.iter().max().copied().unwrap_or(0);
        let servers = (0..most).map(|_| Server::start(device));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        for &stages in &self.stages {
            for &micro_batches in &self.micro_batches {
                for kind in &self.schedules {
                    for &rematerialization in &self.rematerialization {
                        let choice = Choice {
                            kind,
                            rematerialization,
                            servers: &servers[..stages],
                            micro_batches: micro_batches as usize,
                        };
                        report.result(&self.pipeline(report, &choice)?);
                    }
                }
            }
        }
        Ok(())
    }

    fn pipeline(&self, report: &Report, choice: &Choice<'_>) -> Result<Line, Box<dyn Error>> {
        let (stages, micro_batches) = (choice.servers.len(), choice.micro_batches);
        let devices = choice.servers.iter().map(|server| server.device(0));
        let devices = devices.collect::<Result<Vec<_>, _>>()?;
        let config = PipelineConfig::new()
            .with_num_micro_batches(micro_batches)
            .with_schedule(choice.kind.clone())
            .with_rematerialization(choice.rematerialization)
            .with_threads_per_stage(Some(1));
        let schedule = config.training_schedule(stages, micro_batches)?;
        let model = models::transformer(self.layers, self.width, &Device::flex().autodiff());
        let pipeline: PipelineModule<Vec<Block>> = config.init(model, Placement::even(&devices))?;
        let batch = models::batch([NUM_SAMPLES, SEQUENCE, self.width], &Device::flex());
        let alone = Alone::new(self.layers / stages, self.width, micro_batches, &devices);

        let num_recomputed = match choice.rematerialization {
            Rematerialization::Never => 0,
            Rematerialization::ExceptLast => micro_batches - 1,
            Rematerialization::Always => micro_batches,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        pipeline_step(&pipeline, &batch);
        alone.cost();
        let mut runs = Vec::new();
        for _ in 0..report.repetitions() {
            let cost = alone.cost();
            let simulation = simulate(&schedule, &Costs::equal(cost))?;
            let work = micro_batches as f64 * (cost.forward + cost.backward)
                + num_recomputed as f64 * cost.recompute;
            let before = choice.computed();
            let (_, step) = seconds(|| pipeline_step(&pipeline, &batch));
            let computed = choice.computed().zip(before);
            let computed =
                computed.map(|(now, was)| [0, 1].map(|who: usize| (now[who] - was[who]) / cores));
            runs.push(Run {
                cost,
                simulated: simulation.timeline.makespan(),
                simulated_bubble: simulation.timeline.bubble_share(),
                computed,
                bubble: 1.0 - work / step,
                step,
            });
        }
        let all = |of: fn(&Run) -> f64| runs.iter().map(of).collect::<Vec<_>>();
        let middle = |of| median(&all(of));
        let if_told = |of: fn(&Run) -> Option<f64>| {
            let told: Option<Vec<_>> = runs.iter().map(of).collect();
            told.map(|told| median(&told))
        };
        let bound = all(|it| it.simulated.max(it.computed.unwrap_or_default()[0]));
        Ok(Line {
            bench: "remote-pipelines",
            schedule: choice.kind.to_string(),
            rematerialization: choice.rematerialization.to_string(),
            stages,
            micro_batches,
            forward_milliseconds: middle(|it| 1e3 * it.cost.forward),
            backward_milliseconds: middle(|it| 1e3 * it.cost.backward),
            boundary_milliseconds: middle(|it| 1e3 * it.cost.boundary),
            simulated_seconds: middle(|it| it.simulated),
            servers_seconds: if_told(|it| Some(it.computed?[0])),
            driver_seconds: if_told(|it| Some(it.computed?[1])),
            step_seconds: middle(|it| it.step),
            step_over_bound: ratio(&all(|it| it.step), &bound),
            simulated_bubble: middle(|it| it.simulated_bubble),
            measured_bubble: middle(|it| it.bubble),
        })
    }
}

/// One step, and what was expected of it right before.
struct Run {
    cost: Cost,
    simulated: f64,
    simulated_bubble: f64,
    /// By the servers and by this program, by the cores.
    computed: Option<[f64; 2]>,
    step: f64,
    bubble: f64,
}

impl Choice<'_> {
    /// The seconds that the servers have computed until now, and this program.
    fn computed(&self) -> Option<[f64; 2]> {
        let servers: Option<f64> = self.servers.iter().map(Server::cpu_seconds).sum();
        Some([servers?, own_cpu_seconds()?])
    }
}

/// The layers of one stage on a server that does nothing else meanwhile. A server computes later
/// than it is asked to, so the timeline of a pipeline does not tell what its stages take.
struct Alone {
    layers: Vec<Block>,
    micro_batches: Vec<Tensor<3>>,
    next: Device,
}

impl Alone {
    fn new(num_layers: usize, width: usize, num_micro_batches: usize, devices: &[Device]) -> Self {
        let (device, next) = (&devices[0], &devices[devices.len().min(2) - 1]);
        let shape = [NUM_SAMPLES / num_micro_batches, SEQUENCE, width];
        let micro_batch = |_| models::batch(shape, device).0;
        Self {
            layers: models::transformer(num_layers, width, &device.clone().autodiff()),
            micro_batches: (0..num_micro_batches).map(micro_batch).collect(),
            next: next.clone(),
        }
    }

    /// The mean over all micro-batches, first forward and then backward.
    fn cost(&self) -> Cost {
        let num = self.micro_batches.len() as f64;
        let (outputs, forward) = seconds(|| {
            let inputs = self.micro_batches.iter();
            let inputs = inputs.map(|input| input.clone().autodiff().require_grad());
            let run = |input: Tensor<3>| (input.clone(), self.layers.forward_layers(input));
            let outputs: Vec<_> = inputs.map(run).collect();
            let (_, last) = &outputs[outputs.len() - 1];
            wait_for(last.clone().without_autodiff());
            outputs
        });
        let (_, backward) = seconds(|| {
            let run = |(input, output): (Tensor<3>, Tensor<3>)| {
                let gradient = output.clone().without_autodiff().autodiff();
                let gradients = (output * gradient).sum().backward();
                input.grad(&gradients)
            };
            let gradients: Vec<_> = outputs.into_iter().map(run).collect();
            let last = gradients.into_iter().next_back().flatten();
            wait_for(last.expect("an input that asks for a gradient"));
        });
        let boundary = &self.micro_batches[0];
        let (_, moved) = seconds(|| {
            wait_for(boundary.clone());
            wait_for(boundary.clone().to_device(&self.next));
        });
        Cost {
            boundary: moved,
            gradient: moved,
            forward: forward / num,
            recompute: forward / num,
            backward: backward / num,
            ..Cost::default()
        }
    }
}
