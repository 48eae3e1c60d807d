use std::sync::Arc;

use super::{
    Elimination, EliminationStep,
    enumerate::{Rest, enumerate},
    problem::Problem,
    table::{Table, Time, least},
};

/// The best configuration of each node, by index, and how it was found.
///
/// While two edges connect the same nodes, they become one (edge elimination). While a node has at
/// most two neighbours, it goes (node elimination); the node whose elimination takes the fewest
/// sums goes first. What is left is enumerated: one node where the graph is series-parallel, as
/// all of Jia et al. (2018) are. Then the nodes that went get their configurations, the last one
/// first.
///
/// Jia et al. eliminate nodes with one input and one output; here the direction of an edge does
/// not matter, and ends of branches go, too.
///
/// # Errors
///
/// When what is left has too many combinations.
///
/// # Complexity
///
/// O(E K^2 + V K^3) for V nodes with K configurations and E edges, and K to the number of nodes
/// that are left.
pub(crate) fn solve(problem: Problem, names: &[&str]) -> Result<(Vec<usize>, Elimination), Rest> {
    let mut state = State::new(problem);
    let mut steps = Vec::new();
    let mut undo = Vec::new();
    loop {
        while let Some((a, b)) = state.merge() {
            steps.push(EliminationStep::Edges {
                between: (names[a].to_string(), names[b].to_string()),
                left: state.left(),
            });
        }
        let Some(node) = state.next() else {
            break;
        };
        let gone = state.eliminate(node);
        let neighbours = gone.neighbours.iter().map(|it| names[it.0].to_string());
        steps.push(EliminationStep::Node {
            node: names[node].to_string(),
            neighbours: neighbours.collect(),
            left: state.left(),
        });
        undo.push(gone);
    }

    let (nodes, best) = state.enumerate()?;
    let mut chosen = vec![0; names.len()];
    for (&node, index) in nodes.iter().zip(best) {
        chosen[node] = index;
    }
    let left = nodes
        .iter()
        .map(|&it| (names[it].to_string(), state.costs[it].len()));
    let left = left.collect();
    for gone in undo.iter().rev() {
        chosen[gone.node] = gone.best(&chosen);
    }
    Ok((chosen, Elimination { steps, left }))
}

/// An edge with the costs of its pairs of configurations, those of its first end in rows.
struct Edge {
    ends: (usize, usize),
    table: Arc<Table>,
}

struct State {
    /// Empty for nodes that are gone.
    costs: Vec<Vec<Time>>,
    edges: Vec<Edge>,
    alive: Vec<bool>,
}

/// A node that is gone, and its neighbours, with the edges from the first to it and from it to
/// the second.
struct Gone {
    node: usize,
    costs: Vec<Time>,
    neighbours: Vec<(usize, Arc<Table>)>,
}

impl Gone {
    /// Its best configuration, when those of its neighbours are known.
    fn best(&self, chosen: &[usize]) -> usize {
        match self.neighbours.as_slice() {
            [] => least(self.costs.iter().copied()),
            [(one, table)] => {
                let edge = table.row(chosen[*one]).iter();
                least(edge.zip(&self.costs).map(|(a, b)| a + b))
            }
            [(one, first), (other, second), ..] => {
                first.best_between(chosen[*one], &self.costs, second, chosen[*other])
            }
        }
    }
}

impl State {
    fn new(problem: Problem) -> Self {
        let edges = problem.edges.into_iter().map(|(from, to, table)| Edge {
            ends: (from, to),
            table,
        });
        Self {
            alive: vec![true; problem.costs.len()],
            costs: problem.costs,
            edges: edges.collect(),
        }
    }

    fn left(&self) -> (usize, usize) {
        let num_nodes = self.alive.iter().filter(|it| **it).count();
        (num_nodes, self.edges.len())
    }

    /// Makes one edge of two that connect the same nodes.
    fn merge(&mut self) -> Option<(usize, usize)> {
        let same = |a: &Edge, b: &Edge| a.ends == b.ends || a.ends == (b.ends.1, b.ends.0);
        let (first, second) = (0..self.edges.len()).find_map(|first| {
            let mut later = first + 1..self.edges.len();
            let second = later.find(|it| same(&self.edges[first], &self.edges[*it]))?;
            Some((first, second))
        })?;
        let other = self.edges.remove(second);
        let edge = &mut self.edges[first];
        let sum = match other.ends == edge.ends {
            true => edge.table.plus(&other.table),
            false => edge.table.plus(&other.table.transposed()),
        };
        edge.table = Arc::new(sum);
        Some(edge.ends)
    }

    /// The node whose elimination takes the fewest sums: none if each has three neighbours or
    /// more, or one node is left.
    fn next(&self) -> Option<usize> {
        if self.left().0 == 1 {
            return None;
        }
        let mut degrees = vec![0; self.costs.len()];
        let mut sums: Vec<u64> = self.costs.iter().map(|it| it.len() as u64).collect();
        for edge in &self.edges {
            let (a, b) = edge.ends;
            for (node, other) in [(a, b), (b, a)] {
                degrees[node] += 1;
                sums[node] = sums[node].saturating_mul(self.costs[other].len() as u64);
            }
        }
        let nodes = (0..degrees.len()).filter(|&it| self.alive[it] && degrees[it] <= 2);
        nodes.min_by_key(|&it| sums[it])
    }

    /// Takes a node away that has at most two neighbours, one edge to each.
    fn eliminate(&mut self, node: usize) -> Gone {
        let mut neighbours = Vec::new();
        self.edges.retain(|edge| {
            let (from, to) = edge.ends;
            if from != node && to != node {
                return true;
            }
            let other = if from == node { to } else { from };
            // Rows are those of the first neighbour, and of the node before the second.
            let is_turned = (to == node) == neighbours.is_empty();
            let table = match is_turned {
                true => edge.table.clone(),
                false => Arc::new(edge.table.transposed()),
            };
            neighbours.push((other, table));
            false
        });
        let costs = std::mem::take(&mut self.costs[node]);
        self.alive[node] = false;
        match neighbours.as_slice() {
            [] => (),
            [(one, table)] => {
                for (index, cost) in self.costs[*one].iter_mut().enumerate() {
                    let sums = table.row(index).iter().zip(&costs).map(|(a, b)| a + b);
                    *cost += sums.fold(Time::INFINITY, Time::min);
                }
            }
            [(one, first), (other, second), ..] => self.edges.push(Edge {
                ends: (*one, *other),
                table: Arc::new(first.min_plus(&costs, second)),
            }),
        }
        Gone {
            node,
            costs,
            neighbours,
        }
    }

    /// The nodes that are left and their best configurations.
    fn enumerate(&self) -> Result<(Vec<usize>, Vec<usize>), Rest> {
        let nodes: Vec<usize> = (0..self.alive.len()).filter(|it| self.alive[*it]).collect();
        let mut place = vec![0; self.alive.len()];
        for (index, &node) in nodes.iter().enumerate() {
            place[node] = index;
        }
        let costs: Vec<&[Time]> = nodes.iter().map(|&it| self.costs[it].as_slice()).collect();
        let ordered = self.edges.iter().map(|edge| {
            let (from, to) = (place[edge.ends.0], place[edge.ends.1]);
            match from < to {
                true => (from, to, (*edge.table).clone()),
                false => (to, from, edge.table.transposed()),
            }
        });
        let ordered: Vec<_> = ordered.collect();
        let edges = ordered.iter().map(|(from, to, table)| (*from, *to, table));
        let edges: Vec<_> = edges.collect();
        let best = enumerate(&nodes, &costs, &edges)?;
        Ok((nodes, best))
    }
}
