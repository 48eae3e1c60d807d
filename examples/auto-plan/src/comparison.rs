//! The even cut and the plan, trained beside each other.

use std::fmt;

use burn::tensor::Device;
use burn_pipeline::{
    Cluster, Partition, PipelineConfig, Placement, Plan, Profile, Timeline, simulate,
};

use crate::model::Network;
use crate::pictures::Pictures;
use crate::trial::Trial;
use crate::{Args, Error};

/// The same model under both, with the same micro-batches, schedule and devices.
pub struct Comparison {
    even: Trial,
    planned: Trial,
}

impl Comparison {
    /// Two pipelines that have not taken a step.
    pub fn new(
        model: &Network,
        (profile, cluster): (&Profile, &Cluster),
        plan: &Plan,
        devices: &[Device],
    ) -> Result<Self, Error> {
        let config = PipelineConfig::from_plan(plan).with_threads_per_stage(Some(1));
        let placement = Placement::of_plan(plan, devices)?;
        let even = Placement::even(placement.devices());
        Ok(Self {
            even: Trial::new(
                "even cut",
                even_step(profile, cluster, plan)?,
                model.clone(),
                &config,
                even,
            )?,
            planned: Trial::new("plan", plan.timeline(), model.clone(), &config, placement)?,
        })
    }

    /// Train both. Their steps take turns, so that a machine that gets slower does so for both.
    pub fn train(mut self, args: &Args, batch: &Pictures) -> Result<Self, Error> {
        for _ in 0..=args.steps {
            self.even = self.even.step(batch)?;
            self.planned = self.planned.step(batch)?;
        }
        Ok(self)
    }

    /// The planned step, as it was simulated and as the one in the middle was measured.
    pub fn timelines(&self) -> Vec<(&'static str, &Timeline)> {
        let measured = self.planned.median().map(|(_, it)| ("measured", it));
        let simulated = ("simulated", &self.planned.predicted);
        [Some(simulated), measured].into_iter().flatten().collect()
    }
}

/// The step with the even cut, and everything else as planned.
fn even_step(profile: &Profile, cluster: &Cluster, plan: &Plan) -> Result<Timeline, Error> {
    let num_parts = plan.partition().num_stages();
    let partition = Partition::even(profile.num_layers(), num_parts);
    let partition = partition.expect("as many parts as the plan has");
    let schedule = plan.schedule();
    let costs =
        profile
            .on(cluster)?
            .costs(&partition, plan.devices(), &schedule, &plan.micro_batches())?;
    Ok(simulate(&schedule, &costs)?.timeline)
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { even, planned } = self;
        let measured = |trial: &Trial| trial.median().map_or(f64::NAN, |it| it.0);
        let trials = [even, planned];
        let layers = trials.map(|it| it.partition().to_string());
        let width = layers.iter().map(String::len).max().unwrap_or_default();
        writeln!(
            f,
            "{:8}  {:width$}  {:>12}  {:>12}",
            "", "layers", "predicted", "measured"
        )?;
        for (trial, layers) in trials.into_iter().zip(&layers) {
            let (predicted, measured) = (trial.predicted.makespan(), measured(trial));
            writeln!(
                f,
                "{:8}  {layers:width$}  {:>9.1} ms  {:>9.1} ms  {:+.1} %",
                trial.name,
                1e3 * predicted,
                1e3 * measured,
                100.0 * (measured / predicted - 1.0)
            )?;
        }
        writeln!(
            f,
            "the plan should be {:.2} times as fast as the even cut, and is {:.2} times as fast",
            even.predicted.makespan() / planned.predicted.makespan(),
            measured(even) / measured(planned)
        )?;
        let same = match even.loss.to_bits() == planned.loss.to_bits() {
            true => "the same to the last bit",
            false => "not the same: a device computes otherwise than another",
        };
        write!(
            f,
            "losses of the last step: {} and {}, {same}",
            even.loss, planned.loss
        )
    }
}
