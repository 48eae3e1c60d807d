use burn::config::Config;
use burn_pipeline_plan::{Rematerialization, ScheduleKind};

use crate::{Precision, RandomLayers};

/// How a pipeline trains: made with `new`, changed with `with_*`, and turned into a
/// [`PipelineModule`](crate::PipelineModule) by [`init`](PipelineConfig::init).
///
/// ```
/// use burn_pipeline::{PipelineConfig, Rematerialization};
///
/// let config = PipelineConfig::new()
///     .with_num_micro_batches(8)
///     .with_rematerialization(Rematerialization::Always);
/// ```
#[derive(Config, Debug)]
pub struct PipelineConfig {
    /// How many micro-batches a mini-batch is split into (M): as even as can be, and fewer when
    /// the mini-batch has fewer samples. The bubble of K stages of one chunk each takes
    /// `(K-1)/(M+K-1)` of a step.
    #[config(default = 4)]
    pub num_micro_batches: usize,
    /// The order in which stages run micro-batches. A [`Schedule`](crate::Schedule) of your own
    /// goes in with `.into()`: it is run as it is written, for as many micro-batches as
    /// `num_micro_batches` says, and a mini-batch of fewer samples leaves its last ones out.
    #[config(default = "ScheduleKind::GPipe")]
    pub schedule: ScheduleKind,
    /// Which micro-batches a stage runs forward a second time in the backward pass, instead of
    /// keeping their activations. A schedule of your own says so itself.
    #[config(default = "Rematerialization::ExceptLast")]
    pub rematerialization: Rematerialization,
    /// How many micro-batches a stage may recompute ahead of their turn, in time that it would
    /// wait, and so keep the activations of. It is told by [`recompute_early`](crate::recompute_early)
    /// with equal costs and a backward pass twice as long as a forward pass; then 1F1B of at least
    /// 3 stages and enough micro-batches gains, and other schedules stay as they are. Where stages
    /// differ, give `recompute_early` measured costs, and its schedule to `schedule`. A schedule of
    /// your own is not changed.
    #[config(default = 0)]
    pub num_recomputed_ahead: usize,
    /// The seed of the layers that draw random numbers while training; see [`RandomLayers`].
    /// Parameters are drawn when they are initialised: seed their device before `init`.
    #[config(default = 0)]
    pub seed: u64,
    /// Which layers those are.
    #[config(default = "RandomLayers::Detect")]
    pub random_layers: RandomLayers,
    /// What stages compute in: with half precision on master weights, or as the parameters are.
    #[config(default = "Precision::Full")]
    pub precision: Precision,
    /// What boundaries and their gradients travel in between devices: in half precision, for slow
    /// links, or as they are. It rounds them, so that the numbers depend on where the cuts between
    /// devices are; between stages on one device nothing is rounded.
    #[config(default = "Precision::Full")]
    pub boundary_precision: Precision,
    /// The number of threads that each stage runs the kernels of Burn's CPU backends on, its own
    /// worker counted: at least 1. Without it, all stages share one pool of the process. It takes
    /// the feature `rayon`; without that feature, kernels run on the worker alone as it is.
    pub threads_per_stage: Option<usize>,
}
