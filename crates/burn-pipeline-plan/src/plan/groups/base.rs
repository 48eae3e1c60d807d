use super::{
    GroupPlan, GroupedLayer, TriedGroups,
    kinds::{Groups, first_node},
};
use crate::{Cluster, Graph, Plan, PlanError, Planner, Profile, Synchronization};

type Configure<'a> = Box<dyn for<'p> Fn(Planner<'p>) -> Planner<'p> + 'a>;

/// Finds the plan with the shortest step where a stage may be a group of devices that share its
/// layers: it weighs more stages against larger groups.
///
/// For each size of groups that divides the number of devices, the cluster is cut into groups of
/// neighbours. For each kind of group, the best configuration of every layer is searched
/// ([`Layerwise`](crate::Layerwise)); a [`Planner`] then plans over the groups. Inside a group, a
/// layer takes its computing, its transfers, and the synchronization of its gradients, which are
/// summed in every backward pass, once per micro-batch. The best size wins.
///
/// Configurations are searched once for each kind of group, for as many samples as the graph has,
/// over the whole model. In micro-batches of other sizes a layer computes as long as its largest part
/// does, one sample at least, and transfers grow with the number of samples. What a cut inside the model
/// gathers and scatters is counted as the configurations on both of its sides say, and the signal
/// crosses over the slowest link between two groups.
pub struct GroupPlanner<'a> {
    profile: &'a Profile,
    graph: &'a Graph,
    cluster: &'a Cluster,
    profiled_flops: Option<f64>,
    group_sizes: Option<Vec<usize>>,
    synchronization: Synchronization,
    configure: Configure<'a>,
}

impl<'a> GroupPlanner<'a> {
    /// For a profiled model and its graph, for the samples of a micro-batch: the layers of both are
    /// the same in the same order, with the same names. The graph may have one more node in front,
    /// for where the input comes from, and more behind.
    pub fn new(profile: &'a Profile, graph: &'a Graph, cluster: &'a Cluster) -> Self {
        Self {
            profile,
            graph,
            cluster,
            profiled_flops: None,
            group_sizes: None,
            synchronization: Synchronization::default(),
            configure: Box::new(|planner| planner),
        }
    }

    /// The floating point operations per second that the profiled device reaches, where no device of
    /// the cluster has its name: see [`Profile::on`].
    pub fn with_profiled_flops(mut self, flops: f64) -> Self {
        self.profiled_flops = Some(flops);
        self
    }

    /// The sizes of groups to choose from. Those that do not divide the number of devices are left
    /// out. Otherwise, all that do.
    pub fn with_group_sizes(mut self, sizes: impl IntoIterator<Item = usize>) -> Self {
        self.group_sizes = Some(sizes.into_iter().collect());
        self
    }

    /// How replicas sum their gradients.
    pub fn with_synchronization(mut self, synchronization: Synchronization) -> Self {
        self.synchronization = synchronization;
        self
    }

    /// What the planner over the groups may choose from, and what it counts with.
    pub fn with_planner(
        mut self,
        configure: impl for<'p> Fn(Planner<'p>) -> Planner<'p> + 'a,
    ) -> Self {
        self.configure = Box::new(configure);
        self
    }

    /// The plan with the shortest step for mini-batches of `batch_size` samples.
    ///
    /// # Errors
    ///
    /// When the profile or the graph makes no sense, the graph is not the profile's, no size of
    /// groups divides the number of devices, or no size of groups has a plan: then the error of the
    /// size that comes closest to the memory of its devices, or of the first where none was weighed
    /// by memory.
    pub fn plan(&self, batch_size: usize) -> Result<GroupPlan, PlanError> {
        first_node(self.profile, self.graph)?;
        let num_devices = self.cluster.num_devices();
        let divides = |it: &usize| *it > 0 && num_devices.is_multiple_of(*it);
        let sizes: Vec<usize> = match &self.group_sizes {
            Some(sizes) => sizes.iter().copied().filter(divides).collect(),
            None => (1..=num_devices).filter(divides).collect(),
        };
        let mut best: Option<GroupPlan> = None;
        let mut tried = Vec::new();
        let mut closest: Option<PlanError> = None;
        for group_size in sizes {
            let planned = self.plan_with(group_size, batch_size);
            let seconds = planned.as_ref().ok().map(|it| it.plan.step_seconds());
            tried.push(TriedGroups {
                group_size,
                seconds,
            });
            match planned {
                Ok(it) => {
                    let seconds = it.plan.step_seconds();
                    let known = best.as_ref().map(|it| it.plan.step_seconds());
                    if known.is_none_or(|known| seconds < known) {
                        best = Some(it);
                    }
                }
                Err(it) if !is_of_one_size(&it) => return Err(it),
                Err(it) => {
                    if closest
                        .as_ref()
                        .is_none_or(|known| excess(&it) < excess(known))
                    {
                        closest = Some(it);
                    }
                }
            }
        }
        match best {
            Some(best) => Ok(GroupPlan { tried, ..best }),
            None => Err(closest.unwrap_or(PlanError::NoGroups { num_devices })),
        }
    }

    fn plan_with(&self, group_size: usize, batch_size: usize) -> Result<GroupPlan, PlanError> {
        let flops = match self.profiled_flops {
            Some(flops) => self.profile.on_with_flops(self.cluster, flops)?,
            None => self.profile.on(self.cluster)?,
        }
        .profiled_flops();
        let (profile, graph, cluster) = (self.profile, self.graph, self.cluster);
        let sum = self.synchronization;
        let groups = Groups::new(profile, graph, cluster, flops, sum, group_size)?;
        let (profile, cluster) = (groups.profile(profile), groups.cluster(cluster)?);
        let first = |group: usize| self.cluster.device(groups.devices[group][0]);
        let planner = Planner::new(&profile, &cluster)
            .with_rule(|layer, group, it| groups.on(layer, group, flops / first(group).flops, it));
        let plan = (self.configure)(planner).plan(batch_size)?;
        Ok(self.described(plan, &groups, group_size))
    }

    fn described(&self, plan: Plan, groups: &Groups, group_size: usize) -> GroupPlan {
        let num_stages = plan.devices().len();
        let stages = plan.devices().iter().enumerate();
        let layers = stages.map(|(stage, &group)| {
            let places = (stage..plan.partition().num_stages()).step_by(num_stages);
            let layers = places.flat_map(|it| plan.partition().stage(it));
            let layers = layers.filter_map(|layer| {
                Some(GroupedLayer {
                    layer,
                    name: self.profile.layers[layer].name.clone(),
                    configuration: groups.share(group, layer)?.configuration,
                })
            });
            layers.collect()
        });
        let devices = plan.devices().iter();
        GroupPlan {
            devices: devices.map(|it| groups.devices[*it].clone()).collect(),
            layers: layers.collect(),
            group_size,
            tried: Vec::new(),
            plan,
        }
    }
}

/// Whether other sizes of groups may have a plan where one does not.
fn is_of_one_size(error: &PlanError) -> bool {
    matches!(
        error,
        PlanError::Memory { .. }
            | PlanError::NothingToTry { .. }
            | PlanError::Partition(_)
            | PlanError::Layerwise(_)
    )
}

/// How far a need is above its limit; what was not weighed by memory is further than anything.
fn excess(error: &PlanError) -> f64 {
    match error {
        PlanError::Memory { need, limit, .. } => *need as f64 / (*limit).max(1) as f64,
        _ => f64::INFINITY,
    }
}
