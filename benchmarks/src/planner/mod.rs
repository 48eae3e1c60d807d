//! What a profile predicts, beside what happens.

mod accuracy;
mod bytes;
mod case;
mod costs;
mod partition;
mod search;

use std::error::Error;

use burn_pipeline::{Rematerialization, ScheduleKind, Sequential};
use clap::{Args, ValueEnum};

use self::case::Case;
use crate::devices::Devices;
use crate::models;
use crate::report::Report;

/// The flags of `planner`.
#[derive(Args)]
pub struct Planner {
    /// What to compare.
    #[arg(long, value_delimiter = ',', default_values_t = [Part::Accuracy, Part::Partition, Part::Search])]
    parts: Vec<Part>,
    /// Which models.
    #[arg(long, value_delimiter = ',', default_values_t = [Model::Transformer, Model::Convolution, Model::Mlp])]
    models: Vec<Model>,
    /// Which schedules.
    #[arg(long, value_delimiter = ',', default_values_t = [
        ScheduleKind::GPipe,
        ScheduleKind::OneForwardOneBackward,
        ScheduleKind::Interleaved { num_chunks: 2 },
        ScheduleKind::BreadthFirst { num_chunks: 2 },
    ])]
    schedules: Vec<ScheduleKind>,
    /// Which rematerializations.
    #[arg(long, value_delimiter = ',', default_values_t = [Rematerialization::Never, Rematerialization::ExceptLast, Rematerialization::Always])]
    rematerialization: Vec<Rematerialization>,
    /// The number of micro-batches.
    #[arg(long, default_value_t = 8)]
    micro_batches: usize,
    /// Threads that keep the machine busy while layers are profiled: by default one less than
    /// stages.
    #[arg(long)]
    neighbours: Option<usize>,
}

const NUM_STAGES: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Accuracy,
    Partition,
    Search,
}

/// A part that is about models.
#[derive(Clone, Copy)]
enum Comparison {
    Accuracy,
    Partition,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    Transformer,
    Convolution,
    Mlp,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Accuracy => "accuracy",
            Self::Partition => "partition",
            Self::Search => "search",
        })
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Transformer => "transformer",
            Self::Convolution => "convolution",
            Self::Mlp => "mlp",
        })
    }
}

/// Have the allocator keep memory that is freed, as the memory pools of devices do. The one of glibc
/// keeps at its end twice as much as the largest block that it has seen freed, up to blocks of 32 MiB;
/// with less, a layer that runs alone gives its memory back each time, and pays for it again, while in
/// a stage others keep it in use.
fn keep_freed_memory() {
    drop(std::hint::black_box(vec![1u8; 31 << 20]));
}

impl Planner {
    /// Measure and report.
    ///
    /// # Errors
    ///
    /// When there are fewer devices than stages, or a search fails.
    pub fn run(&self, report: &Report, devices: &Devices) -> Result<(), Box<dyn Error>> {
        devices.check(&[NUM_STAGES])?;
        keep_freed_memory();
        for part in &self.parts {
            match part {
                Part::Accuracy => self.compare_all(Comparison::Accuracy, report, devices),
                Part::Partition => self.compare_all(Comparison::Partition, report, devices),
                Part::Search => search::run(report)?,
            }
        }
        Ok(())
    }

    fn compare_all(&self, comparison: Comparison, report: &Report, devices: &Devices) {
        report.conditions(match comparison {
            Comparison::Accuracy => {
                "planner, accuracy: two stages, one kernel thread each, half of the layers on each. Every step stands \
                 between two profiles of its layers, as many at once as a stage has, and is simulated under each; \
                 freed memory is kept. Peaks are the most of all steps."
            }
            Comparison::Partition => {
                "planner, partition: two stages, one kernel thread each, 1F1B, nothing recomputed. The cut that the \
                 profile says is best beside the one in the middle; their steps take turns."
            }
        });
        for model in &self.models {
            let device = devices.first();
            let tracked = device.clone().autodiff();
            let name = model.to_string();
            match model {
                Model::Transformer => {
                    let model = models::transformer(8, 128, &tracked);
                    let batch = models::batch([32, 64, 128], device);
                    self.compare(comparison, report, devices, Case { name, model, batch });
                }
                Model::Convolution => {
                    let model = models::uneven_convolutions(&tracked);
                    let (input, _) = models::batch([64, 3, 32, 32], device);
                    let (target, _) = models::batch([64, 64, 4, 4], device);
                    let batch = (input, target);
                    self.compare(comparison, report, devices, Case { name, model, batch });
                }
                Model::Mlp => {
                    let model = models::mlp(16, 512, &tracked);
                    let batch = models::batch([512, 512], device);
                    self.compare(comparison, report, devices, Case { name, model, batch });
                }
            }
        }
    }

    fn compare<const D: usize, M>(
        &self,
        comparison: Comparison,
        report: &Report,
        devices: &Devices,
        case: Case<M, D>,
    ) where
        M: Sequential<Input = burn::tensor::Tensor<D>, Output = burn::tensor::Tensor<D>> + 'static,
    {
        match comparison {
            Comparison::Accuracy => self.accuracy(report, devices, &case),
            Comparison::Partition => self.partition(report, devices, &case),
        }
    }

    fn num_neighbours(&self) -> usize {
        self.neighbours.unwrap_or(NUM_STAGES - 1)
    }
}
