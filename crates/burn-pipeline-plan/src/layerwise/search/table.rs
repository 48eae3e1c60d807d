use std::{num::NonZero, thread};

/// A time in seconds, as the search adds and compares it.
pub(super) type Time = f64;

/// How many sums are worth another thread.
const SUMS_PER_THREAD: usize = 1 << 22;

/// The cost of an edge for each pair of configurations: a row for each of its first end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    num_columns: usize,
    data: Vec<Time>,
}

impl Table {
    /// From rows, one behind the other.
    ///
    /// # Panics
    ///
    /// If the last row is not complete.
    pub(super) fn new(num_columns: usize, data: Vec<Time>) -> Self {
        assert!(data.len().is_multiple_of(num_columns));
        Self { num_columns, data }
    }

    pub(super) fn row(&self, index: usize) -> &[Time] {
        &self.data[index * self.num_columns..][..self.num_columns]
    }

    pub(super) fn at(&self, row: usize, column: usize) -> Time {
        self.row(row)[column]
    }

    /// The same edge, seen from its other end.
    pub(super) fn transposed(&self) -> Self {
        let num_rows = self.data.len() / self.num_columns;
        let mut data = Vec::with_capacity(self.data.len());
        for column in 0..self.num_columns {
            data.extend(self.data[column..].iter().step_by(self.num_columns));
        }
        Self::new(num_rows, data)
    }

    /// Two edges in place of which one stands.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let pairs = self.data.iter().zip(&other.data);
        Self::new(self.num_columns, pairs.map(|(a, b)| a + b).collect())
    }

    /// The edge that stands for `self`, a node with these costs, and `next`: for each pair of
    /// outer configurations, the least sum over those of the node.
    ///
    /// # Complexity
    ///
    /// Rows of `self` x costs x columns of `next`.
    pub(super) fn min_plus(&self, costs: &[Time], next: &Self) -> Self {
        let num_rows = self.data.len() / self.num_columns;
        let mut data = vec![Time::INFINITY; num_rows * next.num_columns];
        let sums = data.len() * costs.len();
        let num_threads = num_threads(sums / SUMS_PER_THREAD).min(num_rows);
        let rows_each = num_rows.div_ceil(num_threads);
        let band = |first: usize, band: &mut [Time]| {
            let rows = band.chunks_exact_mut(next.num_columns);
            for (index, row) in rows.enumerate() {
                min_plus_row(row, self.row(first + index), costs, next);
            }
        };
        if num_threads == 1 {
            band(0, &mut data);
        } else {
            let bands = data.chunks_mut(rows_each * next.num_columns);
            thread::scope(|scope| {
                for (index, rows) in bands.enumerate() {
                    scope.spawn(move || band(index * rows_each, rows));
                }
            });
        }
        Self::new(next.num_columns, data)
    }

    /// Which configuration of the node between two of its neighbours is the best.
    pub(super) fn best_between(
        &self,
        row: usize,
        costs: &[Time],
        next: &Self,
        column: usize,
    ) -> usize {
        let sums = self.row(row).iter().zip(costs).enumerate();
        least(sums.map(|(index, (a, cost))| a + cost + next.at(index, column)))
    }
}

/// As many threads as are worth it, but no more than there are cores. Asking for the cores takes
/// longer than the sums of a small table.
pub(super) fn num_threads(worth: usize) -> usize {
    match worth {
        0 | 1 => 1,
        _ => worth.min(thread::available_parallelism().map_or(1, NonZero::get)),
    }
}

/// The place of the least, the first of equals.
pub(super) fn least(times: impl IntoIterator<Item = Time>) -> usize {
    let mut best = (0, Time::INFINITY);
    for (index, time) in times.into_iter().enumerate() {
        if time < best.1 {
            best = (index, time);
        }
    }
    best.0
}

/// Four configurations at a time, so that the row is read and written a fourth as often.
fn min_plus_row(row: &mut [Time], to_node: &[Time], costs: &[Time], next: &Table) {
    let num_columns = row.len();
    let sum = |index: usize| to_node[index] + costs[index];
    let lesser = |a: Time, b: Time| if a < b { a } else { b };
    let fours = costs.len() / 4 * 4;
    for index in (0..fours).step_by(4) {
        let sums = [sum(index), sum(index + 1), sum(index + 2), sum(index + 3)];
        let rows = &next.data[index * num_columns..][..4 * num_columns];
        let (a, rows) = rows.split_at(num_columns);
        let (b, rows) = rows.split_at(num_columns);
        let (c, d) = rows.split_at(num_columns);
        for ((((best, a), b), c), d) in row.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let first = lesser(sums[0] + a, sums[1] + b);
            let second = lesser(sums[2] + c, sums[3] + d);
            *best = lesser(*best, lesser(first, second));
        }
    }
    for index in fours..costs.len() {
        let sum = sum(index);
        for (best, it) in row.iter_mut().zip(next.row(index)) {
            *best = lesser(*best, sum + it);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(num_rows: usize, num_columns: usize) -> impl Strategy<Value = Table> {
        let data = prop::collection::vec(0..100u8, num_rows * num_columns);
        data.prop_map(move |data| {
            Table::new(num_columns, data.into_iter().map(Time::from).collect())
        })
    }

    fn tables() -> impl Strategy<Value = (Table, Vec<Time>, Table)> {
        (1..5usize, 1..11usize, 1..5usize).prop_flat_map(|(rows, middle, columns)| {
            let costs = prop::collection::vec((0..100u8).prop_map(Time::from), middle);
            (table(rows, middle), costs, table(middle, columns))
        })
    }

    proptest! {
        #[test]
        fn the_edge_in_place_of_a_node_has_the_least_sums((a, costs, b) in tables()) {
            let product = a.min_plus(&costs, &b);
            for row in 0..a.data.len() / a.num_columns {
                for column in 0..b.num_columns {
                    let sum = |it: usize| a.at(row, it) + costs[it] + b.at(it, column);
                    let expected = (0..costs.len()).map(sum).fold(Time::INFINITY, Time::min);
                    prop_assert_eq!(product.at(row, column), expected);
                    prop_assert_eq!(sum(a.best_between(row, &costs, &b, column)), expected);
                }
            }
            prop_assert_eq!(a.transposed().transposed(), a);
        }
    }

    #[test]
    fn many_rows_are_shared_among_threads() {
        let num = 256;
        let numbers = |factor: usize| {
            let data = (0..num * num).map(|it| (it * factor % 1009) as Time);
            Table::new(num, data.collect())
        };
        let (a, b, costs) = (numbers(7), numbers(13), vec![1.0; num]);
        let product = a.min_plus(&costs, &b);
        for (row, column) in [(0, 0), (127, 3), (128, 255), (255, 255)] {
            let sums = (0..num).map(|it| a.at(row, it) + 1.0 + b.at(it, column));
            assert_eq!(
                product.at(row, column),
                sums.fold(Time::INFINITY, Time::min)
            );
        }
    }
}
