use super::{StageDevice, UnsolvableError};

/// The orders of devices that are tried, as a graph: a path through it is an order.
///
/// A given order is a single path. Orders that only exchange equal devices cost the same, so a
/// free order is a path through the numbers of devices of each kind that are used up: with `c_k`
/// devices of kind `k`, there are at most `G (c_1 + 1) ... (c_G + 1)` nodes for `G` kinds. That is
/// little for a few kinds and exponential in the number of devices that all differ.
pub(super) struct Route {
    /// Every node after its predecessors.
    pub(super) nodes: Vec<Node>,
    /// The devices of each kind: for a given order, each device is its own.
    pub(super) kinds: Vec<Vec<usize>>,
    pub(super) num_stages: usize,
}

/// A stage on a device of a kind, after a choice of kinds for the stages before.
pub(super) struct Node {
    pub(super) stage: usize,
    pub(super) kind: usize,
    /// The nodes of the stage before; none for the first stage.
    pub(super) before: Vec<usize>,
}

/// The most steps that a free order may take: seconds of work.
const MOST_STEPS: f64 = 4e9;
/// The most nodes: beyond it, memory is short first.
const MOST_NODES: f64 = 2e6;

impl Route {
    /// Stage after stage on the devices as they are listed.
    pub(super) fn given(num_devices: usize) -> Self {
        let node = |stage: usize| Node {
            stage,
            kind: stage,
            before: stage.checked_sub(1).into_iter().collect(),
        };
        Self {
            nodes: (0..num_devices).map(node).collect(),
            kinds: (0..num_devices).map(|it| vec![it]).collect(),
            num_stages: num_devices,
        }
    }

    /// `num_stages` of the devices in any order, where `alike` says which two can be exchanged.
    pub(super) fn free(
        devices: &[StageDevice],
        alike: impl Fn(usize, usize) -> bool,
        num_stages: usize,
        num_layers: usize,
    ) -> Result<Self, UnsolvableError> {
        let mut kinds: Vec<Vec<usize>> = Vec::new();
        for device in 0..devices.len() {
            match kinds.iter_mut().find(|it| alike(it[0], device)) {
                Some(kind) => kind.push(device),
                None => kinds.push(vec![device]),
            }
        }
        let num_kinds = kinds.len();
        let counts = kinds.iter().map(|it| (it.len().min(num_stages) + 1) as f64);
        let num_nodes = num_kinds as f64 * counts.product::<f64>();
        let num_steps = num_nodes * num_kinds as f64 * (num_layers as f64).powi(2) / 2.0;
        if num_steps > MOST_STEPS || num_nodes * (num_layers + 1) as f64 > 32.0 * MOST_NODES {
            return Err(UnsolvableError::TooManyOrders {
                num_layers,
                num_stages,
                num_devices: devices.len(),
                num_kinds,
                num_steps,
                most: MOST_STEPS,
            });
        }
        Ok(Self {
            nodes: lattice(&kinds, num_stages),
            kinds,
            num_stages,
        })
    }

    /// A device of the kind, standing for all of them.
    pub(super) fn device(&self, kind: usize) -> usize {
        self.kinds[kind][0]
    }

    /// A device of the kind `before`, and another one than [`device`](Self::device) of `kind` where
    /// both are the same: what connects the two counts.
    pub(super) fn device_before(&self, before: usize, kind: usize) -> usize {
        let same = usize::from(before == kind);
        self.kinds[before][same]
    }

    /// The last node of every order.
    pub(super) fn ends(&self) -> impl Iterator<Item = usize> + '_ {
        let ends = self.nodes.iter().enumerate();
        ends.filter(|(_, it)| it.stage + 1 == self.num_stages)
            .map(|(node, _)| node)
    }

    /// The devices along a path, given by the kinds of its stages.
    pub(super) fn devices(&self, path: &[usize]) -> Vec<usize> {
        let mut num_used = vec![0; self.kinds.len()];
        let devices = path.iter().map(|&kind| {
            num_used[kind] += 1;
            self.kinds[kind][num_used[kind] - 1]
        });
        devices.collect()
    }
}

/// All ways to use up to `num_stages` devices, by the numbers used of each kind and the kind of
/// the last one.
fn lattice(kinds: &[Vec<usize>], num_stages: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    // What one stage more is reached from: numbers used, and the nodes that used them.
    let mut frontier = vec![(vec![0usize; kinds.len()], Vec::new())];
    for stage in 0..num_stages {
        let mut next: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        let mut place = std::collections::HashMap::new();
        for (used, before) in &frontier {
            for kind in (0..kinds.len()).filter(|&it| used[it] < kinds[it].len()) {
                let mut used = used.clone();
                used[kind] += 1;
                let index = *place.entry(used.clone()).or_insert_with(|| {
                    next.push((used, Vec::new()));
                    next.len() - 1
                });
                next[index].1.push(nodes.len());
                nodes.push(Node {
                    stage,
                    kind,
                    before: before.clone(),
                });
            }
        }
        frontier = next;
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_devices_in_any_order_are_one_path() {
        let devices = vec![StageDevice::default(); 5];
        let route = Route::free(&devices, |_, _| true, 3, 10).unwrap();
        assert_eq!(route.nodes.len(), 3);
        assert_eq!(route.devices(&[0, 0, 0]), [0, 1, 2]);
    }

    #[test]
    fn devices_that_all_differ_are_refused_where_there_are_many() {
        let devices = vec![StageDevice::default(); 64];
        let error = Route::free(&devices, |_, _| false, 64, 1000).err().unwrap();
        assert!(error.to_string().contains("64 of 64 devices of 64 kinds"));
        assert!(Route::free(&devices[..8], |_, _| false, 8, 100).is_ok());
    }
}
