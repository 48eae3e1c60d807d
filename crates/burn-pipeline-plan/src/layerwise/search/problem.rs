use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    receivers::Receivers,
    table::{Table, Time, num_threads},
    transfer_table::{TransferTables, keys},
};
use crate::{
    Configuration,
    layerwise::cost::{Group, Transfer},
};

/// How many elements of edge tables, times devices, are worth another thread.
const WORK_PER_THREAD: usize = 1 << 20;

/// What is to be minimized: a configuration for each node, by index, with the least sum of the
/// costs of nodes and edges.
pub(crate) struct Problem {
    /// For each node, the cost of each of its configurations.
    pub(super) costs: Vec<Vec<Time>>,
    /// Two nodes, and the cost of each pair of their configurations, those of the first in rows.
    pub(super) edges: Vec<(usize, usize, Arc<Table>)>,
}

impl Problem {
    /// From the configurations and costs of nodes, and the transfers between them. Edges that are
    /// equal share their table, where their ends share their configurations.
    pub(crate) fn new(
        configurations: &[Arc<[Configuration]>],
        costs: Vec<Vec<f64>>,
        transfers: &[(usize, usize, Transfer)],
        group: &Group,
    ) -> Self {
        let num_devices = group.num_devices();
        let mut numbers = HashMap::new();
        let mut distinct = Vec::new();
        let mut tables = Vec::new();
        for (from, to, transfer) in transfers {
            let transfer = transfer.canonical(num_devices);
            let (from, to) = (&configurations[*from], &configurations[*to]);
            // Equal configurations are in one place: that is compared sooner than what they are.
            let places = (Arc::as_ptr(from), Arc::as_ptr(to));
            let number = *numbers.entry((transfer, places)).or_insert_with(|| {
                distinct.push((transfer, from.as_ref(), to.as_ref()));
                distinct.len() - 1
            });
            tables.push(number);
        }
        let made = make_tables(&distinct, group);
        let edges = transfers.iter().zip(tables);
        Self {
            costs,
            edges: edges
                .map(|((from, to, _), table)| (*from, *to, made[table].clone()))
                .collect(),
        }
    }
}

type Wanted<'a> = (Transfer, &'a [Configuration], &'a [Configuration]);

/// The table of each edge.
fn make_tables(wanted: &[Wanted], group: &Group) -> Vec<Arc<Table>> {
    let num_devices = group.num_devices();
    let receivers = Receivers::new(group);
    let keys: Vec<_> = wanted.iter().map(|it| keys(&it.0)).collect();
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&it| {
        let [samples, channels, rows, columns] = &keys[it];
        (samples, rows, columns, channels)
    });
    // What tables share that differ in channels only is made once where one thread makes them all.
    let alike = |a: &usize, b: &usize| [0, 2, 3].iter().all(|&it| keys[*a][it] == keys[*b][it]);

    let work: usize = wanted
        .iter()
        .map(|(_, from, to)| from.len() * to.len())
        .sum();
    let num_threads = num_threads(work * num_devices / WORK_PER_THREAD);
    let most = wanted.len().div_ceil(num_threads).max(1);
    let runs = order.chunk_by(alike).flat_map(|run| run.chunks(most));
    let runs: Vec<&[usize]> = runs.collect();
    let made = Mutex::new(vec![None; wanted.len()]);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut tables = TransferTables::new(&receivers, num_devices);
        while let Some(&run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            for &index in run {
                let (transfer, from, to) = &wanted[index];
                let table = Arc::new(tables.table(transfer, from, to));
                made.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(table);
            }
        }
    };
    match num_threads {
        1 => worker(),
        _ => thread::scope(|scope| {
            for _ in 0..num_threads {
                scope.spawn(worker);
            }
        }),
    }
    let made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    let made = made.into_iter();
    made.map(|it| it.expect("each table is made")).collect()
}
