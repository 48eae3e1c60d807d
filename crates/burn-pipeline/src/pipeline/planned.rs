//! From a plan to the configuration that trains by it.

use burn_pipeline_plan::Plan;

use crate::PipelineConfig;

impl PipelineConfig {
    /// What a plan says of micro-batches, schedule and rematerialization; everything else is as in
    /// [`new`](Self::new). Where the cuts fall and which devices the stages are on is
    /// [`Placement::of_plan`](crate::Placement::of_plan).
    ///
    /// A plan is for mini-batches of [`Plan::batch_size`] samples, and for as many kernel threads
    /// as its profile was measured with: `with_threads_per_stage` says so to the pipeline too.
    ///
    /// ```
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor};
    /// use burn_pipeline::{
    ///     PipelineConfig, Placement, Planner, Profiler, Ranked, measured_cluster, ranked,
    /// };
    ///
    /// let devices = [Device::default(), Device::default()];
    /// let linear = |_| -> Ranked<Linear, 2> { ranked(LinearConfig::new(8, 8).init(&devices[0])) };
    /// let model: Vec<_> = (0..4).map(linear).collect();
    /// let batch = Tensor::<2>::ones([16, 8], &devices[0]);
    ///
    /// let profiler = Profiler::new().with_num_samples([4, 16]).with_repetitions(3);
    /// let profile = profiler.profile(&model, batch.clone(), &devices[0])?;
    /// let cluster = measured_cluster(&devices, &[profile.clone(), profile.clone()])?;
    /// let plan = Planner::new(&profile, &cluster).plan(16)?;
    /// println!("{plan}");
    ///
    /// let pipeline =
    ///     PipelineConfig::from_plan(&plan).init(model, Placement::of_plan(&plan, &devices)?)?;
    /// let step = pipeline.train_step(batch.clone(), batch, |output, target| {
    ///     (output - target).powi_scalar(2).mean()
    /// })?;
    /// assert_eq!(step.timeline.schedule(), plan.schedule());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_plan(plan: &Plan) -> Self {
        Self::new()
            .with_num_micro_batches(plan.num_micro_batches())
            .with_schedule(plan.schedule_kind().clone())
            .with_rematerialization(plan.rematerialization())
    }
}
