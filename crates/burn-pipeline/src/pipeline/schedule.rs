//! From a configuration to the schedule that a pipeline trains by.

use burn_pipeline_plan::{
    Cost, Costs, Op, Schedule, ScheduleError, ScheduleKind, SimulateError, recompute_early,
    rematerialize,
};

use crate::{PipelineConfig, PipelineError};

impl PipelineConfig {
    /// The order in which `num_stages` stages run a mini-batch of `num_micro_batches` micro-batches:
    /// what a pipeline of this configuration does, to be printed or simulated before.
    ///
    /// ```
    /// use burn_pipeline::{PipelineConfig, ScheduleKind};
    ///
    /// let config = PipelineConfig::new().with_schedule(ScheduleKind::OneForwardOneBackward);
    /// assert_eq!(
    ///     config.training_schedule(2, 3)?.to_string(),
    ///     "\
    /// stage 0   F0 F1 R0 B0 F2 R1 B1 R2 B2
    /// stage 1      F0 B0 F1 B1 F2 B2"
    /// );
    /// # Ok::<_, burn_pipeline::ScheduleError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such schedule. Whether one of the user's own can run is for
    /// [`init`](Self::init) to say.
    pub fn training_schedule(
        &self,
        num_stages: usize,
        num_micro_batches: usize,
    ) -> Result<Schedule, ScheduleError> {
        let schedule = self.schedule.schedule(num_stages, num_micro_batches)?;
        if let ScheduleKind::Custom(_) = self.schedule {
            return Ok(schedule);
        }
        let schedule = rematerialize(schedule, self.rematerialization);
        match self.num_recomputed_ahead {
            0 => Ok(schedule),
            num_ahead => hide_recomputes(&schedule, num_ahead),
        }
    }

    /// Whether what the configuration says of its schedule makes sense together.
    pub(crate) fn check_schedule(&self) -> Result<(), PipelineError> {
        if self.num_micro_batches == 0 {
            return Err(PipelineError::Configuration(
                "num_micro_batches is 0, but a mini-batch is at least 1 micro-batch: give at \
                 least 1"
                    .to_string(),
            ));
        }
        if let ScheduleKind::Custom(schedule) = &self.schedule {
            check_custom(schedule, self.num_micro_batches)?;
        }
        Ok(())
    }
}

/// As far as it can be told without measuring.
fn hide_recomputes(schedule: &Schedule, num_ahead: usize) -> Result<Schedule, ScheduleError> {
    let costs = Costs::equal(Cost {
        forward: 1.0,
        recompute: 1.0,
        backward: 2.0,
        ..Cost::default()
    });
    recompute_early(schedule, &costs, num_ahead).map_err(|error| match error {
        SimulateError::Schedule(error) => error,
        SimulateError::Costs(error) => unreachable!("equal costs fit every schedule: {error}"),
    })
}

/// A schedule of the user's own trains, and leaves nothing of itself out.
fn check_custom(schedule: &Schedule, num_micro_batches: usize) -> Result<(), PipelineError> {
    let of_schedule = schedule.num_micro_batches();
    if of_schedule != num_micro_batches {
        return Err(PipelineError::Configuration(format!(
            "the schedule is for {of_schedule} micro-batches, but num_micro_batches is {num_micro_batches}: set both to the same number"
        )));
    }
    let mut stages = (0..schedule.num_stages()).map(|stage| schedule.stage(stage));
    match stages.any(|stage| stage.iter().any(|it| it.op() == Op::Backward)) {
        true => Ok(()),
        false => Err(PipelineError::Configuration(
            "the schedule runs nothing backward, so nothing would train: add a B for every F \
             (inference needs no schedule)"
                .to_string(),
        )),
    }
}
