use serde::{Deserialize, Serialize};

use super::{
    Explanation, PlanError, StageMemory, candidate::micro_batches, compact::Compact, found::Found,
};
use crate::{
    Costs, Gantt, Partition, Rematerialization, Schedule, ScheduleKind, Simulation, Timeline,
    rematerialize, simulate,
};

/// How a model is to be trained on devices: cuts, devices, micro-batches, schedule and
/// rematerialization, with what a step is predicted to take and why.
///
/// It is made by a [`Planner`](crate::Planner), shown as a table, and stored as JSON with the costs
/// that it was predicted from. What is read is checked: its parts fit together, and its costs give
/// the time that it promises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Plan {
    pub(super) stored: Fields,
    pub(super) costs: Costs,
}

/// What a plan says, its costs aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fields {
    partition: Partition,
    devices: Vec<usize>,
    device_names: Vec<String>,
    batch_size: usize,
    num_micro_batches: usize,
    schedule: ScheduleKind,
    rematerialization: Rematerialization,
    step_seconds: f64,
    memory: Vec<StageMemory>,
    explanation: Explanation,
}

/// A plan as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Plan")]
struct Stored {
    #[serde(flatten)]
    fields: Fields,
    costs: Compact,
}

/// A stored time may differ from the simulated one by this share: it may have been rounded by hand.
const ROUNDING: f64 = 1e-6;

impl Plan {
    pub(super) fn new(
        found: &Found,
        device_names: Vec<String>,
        batch_size: usize,
        explanation: Explanation,
    ) -> Self {
        let candidate = &found.candidate;
        let num_places = found.partition.num_stages();
        // As it will be read again.
        let costs = Compact::of(&found.costs, num_places, candidate.num_micro_batches);
        Self {
            stored: Fields {
                partition: found.partition.clone(),
                devices: found.devices.clone(),
                device_names,
                batch_size,
                num_micro_batches: candidate.num_micro_batches,
                schedule: candidate.kind.clone(),
                rematerialization: candidate.rematerialization,
                step_seconds: found.seconds,
                memory: found.memory.clone(),
                explanation,
            },
            costs: costs.costs().expect("what is made of costs is of costs"),
        }
    }

    /// The cuts: with several chunks per stage, part `p` is chunk `p / K` of stage `p % K` of `K`.
    pub fn partition(&self) -> &Partition {
        &self.stored.partition
    }

    /// The device of each stage, by its number in the cluster.
    pub fn devices(&self) -> &[usize] {
        &self.stored.devices
    }

    /// What the device of each stage is called.
    pub fn device_names(&self) -> &[String] {
        &self.stored.device_names
    }

    /// The number of samples of a mini-batch.
    pub fn batch_size(&self) -> usize {
        self.stored.batch_size
    }

    /// The number of micro-batches that it is split into.
    pub fn num_micro_batches(&self) -> usize {
        self.stored.num_micro_batches
    }

    /// The number of samples of each micro-batch.
    pub fn micro_batches(&self) -> Vec<usize> {
        micro_batches(self.batch_size(), self.num_micro_batches())
    }

    /// The kind of schedule.
    pub fn schedule_kind(&self) -> &ScheduleKind {
        &self.stored.schedule
    }

    /// What is recomputed.
    pub fn rematerialization(&self) -> Rematerialization {
        self.stored.rematerialization
    }

    /// The predicted time of a step, in seconds.
    pub fn step_seconds(&self) -> f64 {
        self.stored.step_seconds
    }

    /// The predicted memory of each stage's device.
    pub fn memory(&self) -> &[StageMemory] {
        &self.stored.memory
    }

    /// How the plan came about, what limits it and what would help.
    pub fn explanation(&self) -> &Explanation {
        &self.stored.explanation
    }

    /// What its instructions cost.
    pub fn costs(&self) -> &Costs {
        &self.costs
    }

    /// What each stage runs, its Recomputes included.
    pub fn schedule(&self) -> Schedule {
        let schedule = self.make_schedule();
        schedule.expect("a plan's numbers make a schedule")
    }

    /// The predicted step: who runs what when, and what each stage keeps.
    pub fn simulation(&self) -> Simulation {
        let simulation = simulate(&self.schedule(), &self.costs);
        simulation.expect("a plan's costs are its schedule's")
    }

    /// The predicted timeline of a step.
    pub fn timeline(&self) -> Timeline {
        self.simulation().timeline
    }

    /// The predicted timeline drawn for a terminal of so many columns.
    pub fn gantt(&self, width: usize) -> String {
        Gantt::new(&self.timeline(), width).to_string()
    }

    fn make_schedule(&self) -> Result<Schedule, PlanError> {
        let num_stages = self.devices().len();
        let schedule = self
            .stored
            .schedule
            .schedule(num_stages, self.num_micro_batches())?;
        Ok(rematerialize(schedule, self.rematerialization()))
    }

    fn check(&self) -> Result<(), PlanError> {
        let num_stages = self.devices().len();
        let numbers = [
            ("names of devices", self.device_names().len(), num_stages),
            ("memories", self.memory().len(), num_stages),
            (
                "parts of the model",
                self.partition().num_stages(),
                num_stages * self.schedule_kind().num_chunks(),
            ),
            (
                "micro-batches",
                self.num_micro_batches(),
                self.num_micro_batches().min(self.batch_size()),
            ),
        ];
        if let Some(&(what, found, expected)) = numbers.iter().find(|it| it.1 != it.2) {
            return Err(PlanError::Stored {
                what,
                found,
                expected,
            });
        }
        let mut devices = self.devices().iter().enumerate();
        let twice = devices.find(|(index, it)| self.devices()[..*index].contains(it));
        if let Some((_, &device)) = twice {
            return Err(PlanError::SameDevice { device });
        }
        let simulated = simulate(&self.make_schedule()?, &self.costs)?;
        let simulated = simulated.timeline.makespan();
        let stored = self.step_seconds();
        let differs = (stored - simulated).abs() > ROUNDING * simulated.max(f64::MIN_POSITIVE);
        match differs || stored.is_nan() {
            true => Err(PlanError::Promise {
                stored,
                simulated,
                partition: self.partition().clone(),
            }),
            false => Ok(()),
        }
    }
}

impl From<Plan> for Stored {
    fn from(plan: Plan) -> Self {
        let num_places = plan.partition().num_stages();
        Self {
            costs: Compact::of(&plan.costs, num_places, plan.num_micro_batches()),
            fields: plan.stored,
        }
    }
}

impl TryFrom<Stored> for Plan {
    type Error = PlanError;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { fields, costs } = stored;
        let (found, expected) = (costs.num_places(), fields.partition.num_stages());
        if found != expected {
            return Err(PlanError::Stored {
                what: "lists of costs",
                found,
                expected,
            });
        }
        let plan = Self {
            costs: costs.costs()?,
            stored: fields,
        };
        plan.check()?;
        Ok(plan)
    }
}
