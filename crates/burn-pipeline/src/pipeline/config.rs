use burn::config::Config;
use burn_pipeline_plan::{Rematerialization, ScheduleKind};

use crate::RandomLayers;

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
    /// the mini-batch has fewer samples. The bubble of K stages takes `(K-1)/(M+K-1)` of a step.
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
    /// How many recomputed micro-batches a stage may hold at once. With 1, each is recomputed right
    /// before its backward pass. With more, a stage uses the time that it would wait to recompute
    /// further ones ahead ([`recompute_early`](crate::recompute_early), with equal costs and a
    /// backward pass twice as long as a forward pass), and keeps as many more activations.
    #[config(default = 1)]
    pub num_recomputed: usize,
    /// The seed of the layers that draw random numbers while training; see [`RandomLayers`].
    /// Parameters are drawn when they are initialised: seed their device before `init`.
    #[config(default = 0)]
    pub seed: u64,
    /// Which layers those are.
    #[config(default = "RandomLayers::Detect")]
    pub random_layers: RandomLayers,
    /// The number of threads that each stage runs the kernels of Burn's CPU backends on, its own
    /// worker counted: at least 1. Without it, all stages share one pool of the process. It takes
    /// the feature `rayon`; without that feature, kernels run on the worker alone as it is.
    pub threads_per_stage: Option<usize>,
}
