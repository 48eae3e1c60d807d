//! The largest model that trains where every device has a limit of memory.

mod closed_form;
mod search;
mod trainee;

use std::error::Error;

use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, Rematerialization};
use serde::Serialize;

use self::closed_form::most_blocks;
use self::search::largest;
use self::trainee::Trainee;
use crate::measure::seconds;
use crate::memory::Sizes;
use crate::models;
use crate::report::Report;
use crate::servers::Server;

/// What is trained under which limit.
pub struct Limits {
    /// Of each device's memory, in MiB.
    pub mib: u64,
    pub batch_size: usize,
    pub length: usize,
    pub width: usize,
    /// What servers serve, by name.
    pub device: String,
}

/// Stages, micro-batches and rematerialization; none for the model without a pipeline.
pub type Contender = (usize, usize, Option<Rematerialization>);

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    stages: usize,
    micro_batches: usize,
    rematerialization: String,
    limit_mib: u64,
    /// What a server has before any tensor, in MiB; it counts against the limit.
    server_mib: f64,
    /// Of the largest model that trains.
    blocks: usize,
    parameters: usize,
    /// By the parameters of the largest plain model, where that was tried.
    over_plain: Option<f64>,
    closed_form_blocks: usize,
    /// How many times the largest AmoebaNet and Transformer of GPipe (Table 1) are as large as
    /// without it, on as many devices.
    amoebanet_over_plain: Option<f64>,
    transformer_over_plain: Option<f64>,
    tries: usize,
    seconds: f64,
}

const MIB: f64 = (1 << 20) as f64;

impl Limits {
    /// Find the largest model of each contender and report it. `block` says what one block takes.
    ///
    /// # Errors
    ///
    /// When a server cannot be started, or a try fails for another reason than memory.
    pub fn run(
        &self,
        report: &Report,
        block: &Sizes,
        contenders: &[Contender],
    ) -> Result<(), Box<dyn Error>> {
        if !cfg!(target_os = "linux") {
            return Err("`--per-device-limit` limits the data of processes, which Linux does and other systems do not: run it on Linux".into());
        }
        report.conditions_of_one_run(&format!(
            "memory: the most Transformer blocks of width {} that take two steps with Adam, {} samples of {} positions. \
             Each device is a server in a process of its own with at most {} MiB of data and one kernel thread.",
            self.width, self.batch_size, self.length, self.mib
        ));
        let limit = self.mib << 20;
        let server = Server::start_within(limit, &self.device);
        let server = server.map_err(|error| {
            format!(
                "no server starts within {} MiB, give it more: {error}",
                self.mib
            )
        })?;
        server.device(0)?;
        let own = server.data_bytes().unwrap_or_default();
        drop(server);

        let shape = [self.batch_size, self.length, self.width];
        let batch = models::batch(shape, &Device::flex());
        let mut plain = None;
        for &(stages, micro_batches, mode) in contenders {
            let config = mode.map(|mode| {
                PipelineConfig::new()
                    .with_num_micro_batches(micro_batches)
                    .with_rematerialization(mode)
                    .with_threads_per_stage(Some(1))
            });
            let num_stages = stages.max(1);
            let trainee = Trainee {
                pipeline: config.as_ref(),
                num_stages,
                width: self.width,
                batch: &batch,
                limit,
                device: &self.device,
            };
            let left = limit.saturating_sub(own) as f64;
            let expected = most_blocks(left, block, self.batch_size, micro_batches, mode);

            let mut tries = 0;
            let (found, seconds) = seconds(|| {
                largest(expected, |blocks| {
                    tries += 1;
                    trainee.trains(blocks * num_stages)
                })
            });
            let blocks = found? * num_stages;
            if mode.is_none() {
                plain = Some(blocks);
            }
            let (amoebanet, transformer) = paper(stages);
            report.result(&Line {
                bench: "memory-limit",
                stages,
                micro_batches,
                rematerialization: mode.map_or("plain".to_string(), |mode| mode.to_string()),
                limit_mib: self.mib,
                server_mib: own as f64 / MIB,
                blocks,
                parameters: blocks * (block.parameters / 4.0) as usize,
                over_plain: plain.map(|plain| blocks as f64 / plain as f64),
                closed_form_blocks: expected * num_stages,
                amoebanet_over_plain: amoebanet,
                transformer_over_plain: transformer,
                tries,
                seconds,
            });
        }
        Ok(())
    }
}

/// GPipe, Table 1: the largest AmoebaNet-D on 8 GB and the largest Transformer on 16 GB, by those
/// that train without GPipe. 0 stages are those.
fn paper(stages: usize) -> (Option<f64>, Option<f64>) {
    let (amoebanet, transformer) = match stages {
        0 => (Some(82e6), Some(282e6)),
        1 => (Some(318e6), Some(786e6)),
        2 => (Some(542e6), None),
        4 => (Some(1.05e9), None),
        8 => (Some(1.8e9), Some(5.3e9)),
        _ => (None, None),
    };
    (
        amoebanet.map(|it| it / 82e6),
        transformer.map(|it| it / 282e6),
    )
}
