use super::table::{Table, Time};

/// The most combinations that are tried one by one.
pub(super) const MAX_COMBINATIONS: u128 = 100_000_000;

/// What an elimination could not take away: every node has three neighbours or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// The nodes.
    pub(crate) nodes: Vec<usize>,
    /// The number of their combinations.
    pub(crate) combinations: u128,
    /// The most that are tried.
    pub(crate) limit: u128,
}

/// The best combination of configurations, by trying all of them, depth first; those that already
/// cost more than the best so far are not completed. An edge's table has a row for each
/// configuration of its first end, and its first end is before its second.
///
/// # Errors
///
/// When there are more than [`MAX_COMBINATIONS`].
///
/// # Complexity
///
/// The product of the numbers of configurations.
pub(super) fn enumerate(
    nodes: &[usize],
    costs: &[&[Time]],
    edges: &[(usize, usize, &Table)],
) -> Result<Vec<usize>, Rest> {
    let counts = costs.iter().map(|it| it.len() as u128);
    let combinations = counts.fold(1u128, u128::saturating_mul);
    if combinations > MAX_COMBINATIONS {
        return Err(Rest {
            nodes: nodes.to_vec(),
            combinations,
            limit: MAX_COMBINATIONS,
        });
    }
    let mut incoming = vec![Vec::new(); costs.len()];
    for &(from, to, table) in edges {
        incoming[to].push((from, table));
    }
    let mut search = Enumeration {
        costs,
        incoming,
        chosen: vec![0; costs.len()],
        best: vec![0; costs.len()],
        least: Time::INFINITY,
    };
    search.extend(0, 0.0);
    Ok(search.best)
}

struct Enumeration<'a> {
    costs: &'a [&'a [Time]],
    /// The edges from earlier nodes.
    incoming: Vec<Vec<(usize, &'a Table)>>,
    chosen: Vec<usize>,
    best: Vec<usize>,
    least: Time,
}

impl Enumeration<'_> {
    fn extend(&mut self, depth: usize, so_far: Time) {
        if depth == self.costs.len() {
            self.least = so_far;
            self.best.clone_from(&self.chosen);
            return;
        }
        for (index, cost) in self.costs[depth].iter().enumerate() {
            let edges = self.incoming[depth].iter();
            let edges = edges.map(|(from, table)| table.at(self.chosen[*from], index));
            let sum = so_far + cost + edges.sum::<Time>();
            if sum < self.least {
                self.chosen[depth] = index;
                self.extend(depth + 1, sum);
            }
        }
    }
}
