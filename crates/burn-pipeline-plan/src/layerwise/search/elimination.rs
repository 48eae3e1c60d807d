use std::fmt;

use serde::{Deserialize, Serialize};

/// A step that makes the graph of layers smaller without losing the best assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EliminationStep {
    /// A node with at most two neighbours goes; its best configuration depends on theirs alone.
    /// One edge between them stands for it.
    Node {
        /// Which.
        node: String,
        /// Its neighbours: none, one or two.
        neighbours: Vec<String>,
        /// How many nodes and edges are left.
        left: (usize, usize),
    },
    /// Two edges between the same nodes become one, with the sum of their costs.
    Edges {
        /// The nodes.
        between: (String, String),
        /// How many nodes and edges are left.
        left: (usize, usize),
    },
}

impl EliminationStep {
    fn left(&self) -> (usize, usize) {
        match self {
            Self::Node { left, .. } | Self::Edges { left, .. } => *left,
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Node {
                node, neighbours, ..
            } => match neighbours.as_slice() {
                [] => format!("node  {node}, alone"),
                [one] => format!("node  {node} into {one}"),
                [one, more @ ..] => format!("node  {node} between {one} and {}", more.join(", ")),
            },
            Self::Edges {
                between: (one, other),
                ..
            } => format!("edges {one} = {other} into one"),
        }
    }
}

/// How a graph was made smaller, step by step, and what was left to enumerate: Jia et al. (2018),
/// algorithm 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elimination {
    /// The steps, in their order.
    pub steps: Vec<EliminationStep>,
    /// The nodes that were left, and the number of configurations of each.
    pub left: Vec<(String, usize)>,
}

impl fmt::Display for Elimination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.steps.iter().map(EliminationStep::what).collect();
        let width = lines.iter().map(|it| it.chars().count()).max().unwrap_or(0);
        for (index, (what, step)) in lines.iter().zip(&self.steps).enumerate() {
            let (nodes, edges) = step.left();
            let number = index + 1;
            writeln!(
                f,
                "{number:>3}  {what:<width$}  left: nodes {nodes}, edges {edges}"
            )?;
        }
        let left = self.left.iter().map(|(name, num_configurations)| {
            format!("{name} in {num_configurations} configurations")
        });
        let left: Vec<String> = left.collect();
        write!(f, "left to enumerate: {}", left.join(", "))
    }
}
