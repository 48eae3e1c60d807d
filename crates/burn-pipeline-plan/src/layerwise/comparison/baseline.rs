use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::{Axis, Configuration, Layerwise, Node, StepCost};

/// How layers are usually split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// All layers by sample.
    DataParallelism,
    /// All layers by channel; those that cannot be are not split.
    ModelParallelism,
    /// "One weird trick" (Krizhevsky, 2014): layers with parameters whose output is no image, the
    /// fully connected ones, by channel, and all others by sample.
    OneWeirdTrick,
}

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::DataParallelism,
        Self::ModelParallelism,
        Self::OneWeirdTrick,
    ];

    /// The axis that a layer is split along.
    fn axis(self, node: &Node) -> Axis {
        let is_image = node.shape.size(Axis::Height) * node.shape.size(Axis::Width) > 1;
        match self {
            Self::DataParallelism => Axis::Sample,
            Self::ModelParallelism => Axis::Channel,
            Self::OneWeirdTrick if node.parameter_bytes > 0 && !is_image => Axis::Channel,
            Self::OneWeirdTrick => Axis::Sample,
        }
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::DataParallelism => "data parallelism",
            Self::ModelParallelism => "model parallelism",
            Self::OneWeirdTrick => "one weird trick",
        })
    }
}

impl Layerwise<'_> {
    /// What a step costs when layers are split as usual, each by the largest legal degree.
    pub fn baseline(&self, baseline: Baseline) -> StepCost {
        let nodes = self.graph().nodes().iter().enumerate();
        let configurations = nodes.map(|(index, node)| {
            let axis = baseline.axis(node);
            let legal = self.configurations(index).into_iter();
            let along = legal.filter(|it| it.degree(axis) == it.num_parts());
            let largest = along.max_by_key(Configuration::num_parts);
            largest.unwrap_or(Configuration::WHOLE)
        });
        let configurations: Vec<_> = configurations.collect();
        self.price(&configurations)
            .expect("the configurations are among the legal ones")
    }
}
