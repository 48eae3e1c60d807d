use super::{
    Plan, PlanError,
    candidate::{Candidate, usual_micro_batches},
    explain::explain,
    found::Found,
    search::{Closest, Search},
    tables::Tables,
};
use crate::{Cluster, Measurement, Profile, ProfileCosts, Rematerialization, ScheduleKind};

pub(super) type Rule<'a> = Box<dyn Fn(usize, usize, Measurement) -> Measurement + 'a>;

/// Finds the plan with the shortest step for a profiled model on the devices of a cluster.
///
/// It tries every number of stages, of chunks per stage and of micro-batches, every schedule and
/// every rematerialization that it may choose from. Each is given the cuts with the least
/// bottleneck, and devices in the best order, under the memory limits; each is simulated, unless a
/// bound says that it cannot win. What is found is the best of those, and exactly that: bounds never
/// rule it out. The least bottleneck is not always the least step, and with several chunks per
/// stage, cuts under the memory limits are not proven to be the best that fit.
///
/// From the winner, and from the best plan of each schedule with several chunks per stage, single
/// cuts are then moved by one layer while the simulated step shrinks, for cuts that suit chunks or a
/// short mini-batch better: a local search, not proven optimal.
///
/// ```
/// # use burn_pipeline_plan::*;
/// # fn plan(profile: &Profile) -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = Cluster::p100_nvlink(8)?;
/// let plan = Planner::new(profile, &cluster)
///     .with_profiled_flops(6e12)
///     .with_optimizer_bytes(2.0)
///     .plan(256)?;
/// println!("{plan}");
/// std::fs::write("plan.json", serde_json::to_string_pretty(&plan)?)?;
/// # Ok(())
/// # }
/// ```
pub struct Planner<'a> {
    pub(super) profile: &'a Profile,
    pub(super) cluster: &'a Cluster,
    pub(super) profiled_flops: Option<f64>,
    pub(super) rule: Option<Rule<'a>>,
    num_stages: Option<Vec<usize>>,
    most_chunks: usize,
    num_micro_batches: Option<Vec<usize>>,
    most_micro_batches: usize,
    schedules: Vec<Family>,
    rematerializations: Vec<Rematerialization>,
    optimizer_bytes: f64,
    working_factor: f64,
    free_order: bool,
    pub(super) prunes: bool,
    pub(super) refines: bool,
}

/// A schedule with any number of chunks.
#[derive(Clone, Copy)]
enum Family {
    One(fn() -> ScheduleKind),
    Chunks(fn(usize) -> ScheduleKind),
}

impl<'a> Planner<'a> {
    /// A planner that may choose from everything: up to as many stages as devices, up to 4 chunks
    /// per stage, up to 128 micro-batches, the four schedules and the three rematerializations.
    pub fn new(profile: &'a Profile, cluster: &'a Cluster) -> Self {
        Self {
            profile,
            cluster,
            profiled_flops: None,
            rule: None,
            num_stages: None,
            most_chunks: 4,
            num_micro_batches: None,
            most_micro_batches: 128,
            schedules: vec![
                Family::One(|| ScheduleKind::GPipe),
                Family::One(|| ScheduleKind::OneForwardOneBackward),
                Family::Chunks(|num_chunks| ScheduleKind::Interleaved { num_chunks }),
                Family::Chunks(|num_chunks| ScheduleKind::BreadthFirst { num_chunks }),
            ],
            rematerializations: vec![
                Rematerialization::Never,
                Rematerialization::ExceptLast,
                Rematerialization::Always,
            ],
            optimizer_bytes: 0.0,
            working_factor: 1.0,
            free_order: true,
            prunes: true,
            refines: true,
        }
    }

    /// The floating point operations per second that the profiled device reaches, where no device of
    /// the cluster has its name: see [`Profile::on`].
    pub fn with_profiled_flops(mut self, flops: f64) -> Self {
        self.profiled_flops = Some(flops);
        self
    }

    /// What a layer costs on a device, instead of its measured times by the ratio of speeds: how a
    /// stage becomes a group of devices. See [`ProfileCosts::with_rule`].
    pub fn with_rule(mut self, on: impl Fn(usize, usize, Measurement) -> Measurement + 'a) -> Self {
        self.rule = Some(Box::new(on));
        self
    }

    /// The numbers of stages to choose from.
    pub fn with_num_stages(mut self, num_stages: impl IntoIterator<Item = usize>) -> Self {
        self.num_stages = Some(num_stages.into_iter().collect());
        self
    }

    /// The most chunks per stage: with 1, there are no interleaved and breadth-first schedules.
    pub fn with_most_chunks(mut self, most_chunks: usize) -> Self {
        self.most_chunks = most_chunks;
        self
    }

    /// The numbers of micro-batches to choose from. Otherwise they are powers of two, three times
    /// those, and small multiples of the number of stages, up to 128.
    pub fn with_num_micro_batches(mut self, numbers: impl IntoIterator<Item = usize>) -> Self {
        self.num_micro_batches = Some(numbers.into_iter().collect());
        self
    }

    /// The schedules to choose from. How many chunks are asked for does not count: every number up
    /// to the most is tried.
    pub fn with_schedules(mut self, kinds: &[ScheduleKind]) -> Self {
        self.schedules.retain(|family| {
            kinds.iter().any(|kind| match (family, kind) {
                (Family::One(one), kind) => one() == *kind,
                (Family::Chunks(of), kind) => of(kind.num_chunks()) == *kind,
            })
        });
        self
    }

    /// The rematerializations to choose from.
    pub fn with_rematerializations(mut self, modes: &[Rematerialization]) -> Self {
        self.rematerializations = modes.to_vec();
        self
    }

    /// The bytes that the optimizer keeps for each byte of the parameters: 0 for plain SGD (the
    /// default), 1 with momentum, 2 for Adam.
    pub fn with_optimizer_bytes(mut self, per_parameter_byte: f64) -> Self {
        self.optimizer_bytes = per_parameter_byte;
        self
    }

    /// How often what the layer that needs most [works with](crate::Measurement::working_bytes) is
    /// there besides what is kept: 1 by default. Where that was not measured, its activations and its
    /// output stand for it. With 0, only what is kept counts.
    pub fn with_working_factor(mut self, factor: f64) -> Self {
        self.working_factor = factor;
        self
    }

    /// Stages take the devices in their order in the cluster, the first ones if there are more than
    /// stages. Otherwise any device may be at any place: exact, and refused where too many devices
    /// differ.
    pub fn with_devices_in_order(mut self) -> Self {
        self.free_order = false;
        self
    }

    /// The plan with the shortest step for mini-batches of `batch_size` samples.
    ///
    /// # Errors
    ///
    /// When the profile cannot be put on the cluster, there is nothing to choose from, or no plan
    /// fits: then with the plan that comes closest.
    pub fn plan(&self, batch_size: usize) -> Result<Plan, PlanError> {
        self.with_search(
            self.profile,
            self.costs()?,
            batch_size,
            |search, candidates| {
                let outcome = search.run(&candidates)?;
                match &outcome.best {
                    None => Err(self.too_large(search, &candidates)?),
                    Some(best) => {
                        let explanation = explain(self, search, &outcome, best)?;
                        let names = best.devices.iter();
                        let names = names.map(|it| self.cluster.device(*it).name.clone());
                        Ok(Plan::new(best, names.collect(), batch_size, explanation))
                    }
                }
            },
        )
    }

    /// Runs something with a search over the candidates for a model that may be another than the
    /// planner's own.
    pub(super) fn with_search<T>(
        &self,
        profile: &Profile,
        costs: ProfileCosts,
        batch_size: usize,
        then: impl FnOnce(&mut Search, Vec<Candidate>) -> Result<T, PlanError>,
    ) -> Result<T, PlanError> {
        let candidates = self.candidates(profile.num_layers(), batch_size);
        if candidates.is_empty() {
            return Err(PlanError::NothingToTry {
                num_layers: profile.num_layers(),
                num_devices: self.cluster.num_devices(),
                batch_size,
            });
        }
        // Parameters, and what the optimizer keeps.
        let tables = Tables::new(&costs, 1.0 + self.optimizer_bytes, self.working_factor);
        let mut search = Search::new(&tables, batch_size, self.free_order);
        search.prunes = self.prunes;
        search.refines = self.refines;
        then(&mut search, candidates)
    }

    pub(super) fn costs(&self) -> Result<ProfileCosts<'_>, PlanError> {
        self.costs_of(self.profile, |layer| layer)
    }

    /// A profile of a model made of this one's layers: `original` says which layer each is.
    pub(super) fn costs_of<'p>(
        &'p self,
        profile: &'p Profile,
        original: impl Fn(usize) -> usize + 'p,
    ) -> Result<ProfileCosts<'p>, PlanError> {
        let costs = match self.profiled_flops {
            Some(flops) => profile.on_with_flops(self.cluster, flops)?,
            None if self.rule.is_some() => profile.on_with_flops(self.cluster, 1.0)?,
            None => profile.on(self.cluster)?,
        };
        Ok(match &self.rule {
            Some(rule) => {
                costs.with_rule(move |layer, device, it| rule(original(layer), device, it))
            }
            None => costs,
        })
    }

    fn candidates(&self, num_layers: usize, batch_size: usize) -> Vec<Candidate> {
        let most_stages = num_layers.min(self.cluster.num_devices());
        let all_stages: Vec<usize> = match &self.num_stages {
            Some(numbers) => numbers.clone(),
            None => (1..=most_stages).collect(),
        };
        let mut candidates = Vec::new();
        for num_stages in all_stages
            .into_iter()
            .filter(|it| (1..=most_stages).contains(it))
        {
            let numbers = match &self.num_micro_batches {
                Some(numbers) => numbers.clone(),
                None => usual_micro_batches(num_stages, batch_size.min(self.most_micro_batches)),
            };
            let kinds = self.kinds(num_stages, num_layers);
            for num_micro_batches in numbers
                .into_iter()
                .filter(|it| (1..=batch_size).contains(it))
            {
                for kind in &kinds {
                    for &rematerialization in &self.rematerializations {
                        candidates.push(Candidate {
                            num_stages,
                            num_micro_batches,
                            kind: kind.clone(),
                            rematerialization,
                        });
                    }
                }
            }
        }
        candidates
    }

    /// The fewest micro-batches that may be chosen.
    pub(super) fn least_micro_batches(&self) -> usize {
        let numbers = self.num_micro_batches.iter().flatten();
        numbers.copied().filter(|it| *it > 0).min().unwrap_or(1)
    }

    /// One stage has nobody to wait for: its chunks would change nothing.
    fn kinds(&self, num_stages: usize, num_layers: usize) -> Vec<ScheduleKind> {
        let most_chunks = match num_stages {
            1 => 1,
            _ => self.most_chunks.min(num_layers / num_stages),
        };
        let families = self.schedules.iter();
        let kinds = families.flat_map(|family| match family {
            Family::One(one) => vec![one()],
            Family::Chunks(of) => (2..=most_chunks).map(of).collect(),
        });
        kinds.collect()
    }

    fn too_large(
        &self,
        search: &mut Search,
        candidates: &[Candidate],
    ) -> Result<PlanError, PlanError> {
        let Closest {
            found: closest,
            num_left_out,
        } = search.closest(candidates)?;
        let stage = fullest(&closest);
        let device = closest.devices[stage];
        // Of several chunks, the first: the model is named from there on.
        let layers = closest.partition.stage(stage);
        let name = |layer: usize| search.tables.costs.profile().layers[layer].name.clone();
        let candidate = &closest.candidate;
        Ok(PlanError::Memory {
            num_candidates: candidates.len(),
            num_left_out,
            need: closest.memory[stage].bytes(),
            limit: closest.memory[stage].limit_bytes.unwrap_or(u64::MAX),
            device,
            place: format!(
                "layers {layers:?} (`{}` to `{}`) on device {device} (`{}`)",
                name(layers.start),
                name(layers.end - 1),
                self.cluster.device(device).name
            ),
            layers,
            how: format!(
                "{} stages, {} micro-batches, {} and rematerialization `{}`",
                candidate.num_stages,
                candidate.num_micro_batches,
                candidate.kind,
                candidate.rematerialization
            ),
        })
    }
}

/// The stage whose device is fullest.
pub(super) fn fullest(found: &Found) -> usize {
    let shares = found.memory.iter().map(|it| it.share()).enumerate();
    let fullest = shares.max_by(|a, b| a.1.total_cmp(&b.1));
    fullest.expect("a plan has stages").0
}
