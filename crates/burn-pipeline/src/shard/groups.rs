//! From a plan over groups of devices to the parts of a pipeline that trains by it.

use std::ops::Range;

use burn::tensor::Device;
use burn_pipeline_plan::{Configuration, GroupPlan};

use super::{ShardError, Sharded, shard};
use crate::layer::Sequential;
use crate::{PipelineError, Placement};

/// One part of a pipeline over groups of devices, as a [`GroupPlan`] has it: see [`group_parts`].
#[derive(Debug, Clone, PartialEq)]
pub struct GroupPart {
    /// The layers of the profiled model that it holds.
    pub layers: Range<usize>,
    /// The devices of its group, in order. The stage that it is on has the first one.
    pub devices: Vec<Device>,
    /// How each of its layers is split.
    pub configurations: Vec<Configuration>,
}

impl GroupPart {
    /// Split `layers`, a model of the layers that this part holds, over its group.
    ///
    /// # Errors
    ///
    /// As [`shard`](crate::shard()).
    pub fn shard<S: Sequential + 'static>(&self, layers: S) -> Result<Sharded<S>, ShardError> {
        shard(layers, &self.configurations, &self.devices)
    }
}

/// The parts of a plan over groups, in order, on those of `devices` that it chose: they are the
/// devices of the cluster that it was made for, in the same order.
///
/// The model is cut by hand where [`GroupPart::layers`] says, as each part is one layer of the
/// pipeline: [`GroupPart::shard`] makes it, [`PipelineConfig::from_plan`](crate::PipelineConfig::from_plan)
/// of [`GroupPlan::plan`] and [`group_placement`] say the rest.
///
/// # Errors
///
/// When the plan is for more devices than there are.
pub fn group_parts(plan: &GroupPlan, devices: &[Device]) -> Result<Vec<GroupPart>, PipelineError> {
    let groups = groups(plan, devices)?;
    let partition = plan.plan.partition();
    let part = |part: usize| {
        let stage = part % groups.len();
        let layers = partition.stage(part);
        let configuration = |layer| {
            let planned = plan.layers[stage].iter().find(|it| it.layer == layer);
            planned.map_or(Configuration::WHOLE, |it| it.configuration)
        };
        GroupPart {
            configurations: layers.clone().map(configuration).collect(),
            devices: groups[stage].clone(),
            layers,
        }
    };
    Ok((0..partition.num_stages()).map(part).collect())
}

/// A pipeline of the [`group_parts`] of a plan, each a layer, on the first device of its group.
///
/// # Errors
///
/// When the plan is for more devices than there are.
pub fn group_placement(plan: &GroupPlan, devices: &[Device]) -> Result<Placement, PipelineError> {
    let groups = groups(plan, devices)?;
    let firsts: Vec<_> = groups.iter().map(|group| group[0].clone()).collect();
    let num_parts = plan.plan.partition().num_stages();
    Ok(Placement::from_counts(&firsts, &vec![1; num_parts]))
}

/// The devices of each stage.
fn groups(plan: &GroupPlan, devices: &[Device]) -> Result<Vec<Vec<Device>>, PipelineError> {
    let group = |group: &Vec<usize>| group.iter().map(|it| devices.get(*it).cloned()).collect();
    let groups: Option<Vec<_>> = plan.devices.iter().map(group).collect();
    groups.ok_or_else(|| {
        let last = plan.devices.iter().flatten().max().copied();
        PipelineError::Configuration(format!(
            "the plan has device {} in a group, but {} devices are given: give as many as it was \
             made for, or plan again",
            last.unwrap_or_default(),
            devices.len()
        ))
    })
}
