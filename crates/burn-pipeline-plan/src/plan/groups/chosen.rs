use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Configuration, Plan, trace::duration};

/// A plan whose stages are on groups of devices, with layer-wise parallelism inside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupPlan {
    /// The plan over groups: its devices are groups, numbered as they lie in the cluster, and its
    /// memory is that of the fullest member of each.
    pub plan: Plan,
    /// The number of devices of each group.
    pub group_size: usize,
    /// The devices of each stage's group, by their numbers in the cluster.
    pub devices: Vec<Vec<usize>>,
    /// How the layers of each stage are split over its group, by increasing number of layer.
    pub layers: Vec<Vec<GroupedLayer>>,
    /// What the other sizes of groups came to, and this one.
    pub tried: Vec<TriedGroups>,
}

/// How a layer is split over the devices of its stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupedLayer {
    /// The number of the layer.
    pub layer: usize,
    /// Its name.
    pub name: String,
    /// Its degrees.
    pub configuration: Configuration,
}

/// What groups of one size came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriedGroups {
    /// The number of devices of each group.
    pub group_size: usize,
    /// The time of a step, in seconds; none where there is no plan.
    pub seconds: Option<f64>,
}

impl fmt::Display for GroupPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.plan)?;
        for (stage, (devices, layers)) in self.devices.iter().zip(&self.layers).enumerate() {
            write!(f, "stage {stage} on devices {devices:?}:")?;
            for it in layers {
                write!(f, " {} {}", it.name, it.configuration)?;
            }
            writeln!(f)?;
        }
        write!(f, "groups:")?;
        for (index, it) in self.tried.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            match it.seconds {
                Some(seconds) => {
                    write!(f, "{separator} {} in {}", it.group_size, duration(seconds))?
                }
                None => write!(f, "{separator} {} without a plan", it.group_size)?,
            }
        }
        Ok(())
    }
}
