use burn::tensor::{Device, Distribution, Tensor};
use burn_pipeline::{
    Costs, PipelineConfig, PipelineModule, Placement, Schedule, ScheduleKind, Timeline,
    open_devices, simulate,
};

use crate::model::{Dense, dense};
use crate::{Args, Error};

/// One schedule, run and simulated.
pub struct Outcome {
    /// Which schedule it is.
    pub kind: ScheduleKind,
    /// The order in which the stages ran.
    pub schedule: Schedule,
    /// What the instructions cost.
    pub costs: Costs,
    /// What a simulation says, under the costs that were measured.
    pub simulated: Timeline,
    /// What a step did: of the steps that did not make the costs, the one in the middle.
    pub measured: Timeline,
}

/// The same model and mini-batch for every schedule.
pub struct Experiment<'a> {
    args: &'a Args,
    devices: Vec<Device>,
    model: Vec<Dense>,
    batch: Tensor<2>,
}

impl<'a> Experiment<'a> {
    /// A model and a mini-batch of random numbers.
    ///
    /// # Errors
    ///
    /// When there would be nothing to run or to measure, or a device cannot be used.
    pub fn new(args: &'a Args) -> Result<Self, Error> {
        for (name, number, least) in [
            ("stages", args.stages, 1),
            ("samples", args.samples, 1),
            ("width", args.width, 1),
            ("steps", args.steps, 2),
        ] {
            if number < least {
                return Err(Error::Options(format!(
                    "--{name} is {number}, but at least {least} is needed"
                )));
            }
        }
        let devices = open_devices(&args.devices, args.stages)?;
        let device = &devices[0];
        let shape = [args.samples * args.micro_batches, args.width];
        Ok(Self {
            args,
            model: dense(args.layers, args.width, &device.clone().autodiff()),
            batch: Tensor::random(shape, Distribution::Normal(0.0, 1.0), device),
            devices,
        })
    }

    /// Run and simulate a schedule. Every other step makes the costs, so that a machine that gets
    /// slower does so for both.
    ///
    /// # Errors
    ///
    /// When the schedule or the pipeline cannot be made, or a step fails.
    pub fn run(&self, kind: &ScheduleKind) -> Result<Outcome, Error> {
        let Args {
            stages,
            micro_batches,
            ..
        } = *self.args;
        let config = PipelineConfig::new()
            .with_num_micro_batches(micro_batches)
            .with_schedule(kind.clone())
            .with_rematerialization(self.args.rematerialization)
            .with_num_recomputed_ahead(self.args.recompute_ahead)
            .with_threads_per_stage(Some(1));
        let placement = Placement::even(&self.devices);
        let pipeline = config.init(self.model.clone(), placement)?;
        let schedule = config.training_schedule(stages, micro_batches)?;

        self.step(&pipeline)?;
        let (mut costs, mut measured) = (Vec::new(), Vec::new());
        for _ in 0..self.args.steps / 2 {
            costs.push(self.step(&pipeline)?);
            measured.push(self.step(&pipeline)?);
        }
        let costs = Costs::measured(&costs)?;
        let costs = costs.with_bytes(|_| self.bytes(stages * schedule.num_chunks()));
        measured.sort_by(|a, b| a.makespan().total_cmp(&b.makespan()));
        Ok(Outcome {
            kind: kind.clone(),
            simulated: simulate(&schedule, &costs)?.timeline,
            costs,
            measured: measured.swap_remove(measured.len() / 2),
            schedule,
        })
    }

    /// The bytes of a boundary, and about those that one of so many parts keeps of a micro-batch:
    /// what each of its layers sends, before and after the activation.
    fn bytes(&self, num_parts: usize) -> (u64, u64) {
        let boundary = (4 * self.args.samples * self.args.width) as u64;
        let num_kept = 1 + 2 * self.args.layers.div_ceil(num_parts);
        (boundary, boundary * num_kept as u64)
    }

    fn step(&self, pipeline: &PipelineModule<Vec<Dense>>) -> Result<Timeline, Error> {
        let batch = self.batch.clone();
        let step = pipeline.train_step(batch.clone(), batch, |output, target| {
            (output - target).powi_scalar(2).mean()
        })?;
        // A device that computes later than it is asked to ends its step here.
        step.loss.try_into_scalar::<f32>()?;
        Ok(step.timeline)
    }
}
