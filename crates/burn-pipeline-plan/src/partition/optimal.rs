use std::ops::Range;

use super::{pins::Pieces, route::Route};

/// What is to be kept low: the greatest value of any stage, or of any cut.
pub(super) trait Objective {
    /// The value of a stage on a device, cuts aside.
    fn stage(&self, stage: usize, device: usize, layers: Range<usize>) -> f64;

    /// The value of a stage with the cut before it, for a device that it comes from.
    fn with_cut(&self, value: f64, from: usize, to: usize, layer: usize) -> f64;

    /// Whether a stage may be like that at all.
    fn fits(&self, stage: usize, device: usize, layers: Range<usize>) -> bool;

    /// What no stage of these layers, or of more with them, is below: `value` is that of these.
    fn least(&self, stage: usize, device: usize, layers: Range<usize>, value: f64) -> f64;

    /// Whether neither a stage of these layers nor any of more with them is allowed.
    fn rules_out(&self, stage: usize, device: usize, layers: Range<usize>) -> bool;
}

/// The best way found.
pub(super) struct Best {
    /// The greatest value of a stage and the cut before it.
    pub(super) bottleneck: f64,
    /// The kind of device and the layers of each stage.
    pub(super) stages: Vec<(usize, Range<usize>)>,
}

const NOWHERE: u32 = u32::MAX;

/// The least bottleneck of any division of the pieces among the devices of any path of the route;
/// none if none fits.
///
/// The classical dynamic program for chains on chains (Bokhari, 1988; Pinar and Aykanat, *Fast
/// Optimal Load Balancing Algorithms for 1D Partitioning*, 2004; section 3.1 of Narayanan et al.,
/// *PipeDream*, 2019), over prefixes of the layers and nodes of the route.
///
/// # Complexity
///
/// With `n` pieces and `E` edges of the route, `O(E n^2)` time and, with `V` nodes, `O(V n)`
/// memory. A given order has `K - 1` edges for `K` stages. The search for the start of a stage ends
/// where its own layers are above what was found, or ruled out, so that time is mostly far less.
pub(super) fn solve(route: &Route, pieces: &Pieces, objective: &impl Objective) -> Option<Best> {
    let width = pieces.len() + 1;
    let mut table = Table {
        width,
        values: vec![f64::INFINITY; width * route.nodes.len()],
        from: vec![(NOWHERE, NOWHERE); width * route.nodes.len()],
    };
    for node in 0..route.nodes.len() {
        let it = &route.nodes[node];
        let device = route.device(it.kind);
        let num_after = route.num_stages - 1 - it.stage;
        // No stage that ends later may begin before it.
        let mut first = it.stage;
        for end in it.stage + 1..width - num_after {
            let out = |first| objective.rules_out(it.stage, device, pieces.layers(first..end));
            while first < end && out(first) {
                first += 1;
            }
            fill(route, pieces, objective, &mut table, node, first..end);
        }
    }
    let value = |node: usize| table.values[node * width + width - 1];
    let end = route
        .ends()
        .min_by(|a, b| value(*a).total_cmp(&value(*b)))?;
    value(end).is_finite().then(|| Best {
        bottleneck: value(end),
        stages: table.path(route, pieces, end),
    })
}

/// The best start of the stage of `node` that has some of these pieces, the last among them.
fn fill(
    route: &Route,
    pieces: &Pieces,
    objective: &impl Objective,
    table: &mut Table,
    node: usize,
    Range { start: first, end }: Range<usize>,
) {
    let it = &route.nodes[node];
    let device = route.device(it.kind);
    let (mut best, mut from) = (f64::INFINITY, (NOWHERE, NOWHERE));
    for start in (first..end).rev() {
        let layers = pieces.layers(start..end);
        let alone = objective.stage(it.stage, device, layers.clone());
        if alone >= best {
            if objective.least(it.stage, device, layers, alone) < best {
                continue;
            }
            break;
        }
        // Asked once, and only where the answer counts.
        let mut fits = None;
        let mut fits =
            || *fits.get_or_insert_with(|| objective.fits(it.stage, device, layers.clone()));
        if it.stage == 0 && start == 0 && fits() {
            (best, from) = (alone, (NOWHERE, 0));
        }
        for &before in &it.before {
            let so_far = table.values[before * table.width + start];
            if so_far >= best {
                continue;
            }
            let from_device = route.device_before(route.nodes[before].kind, it.kind);
            let value = objective.with_cut(alone, from_device, device, layers.start);
            let value = value.max(so_far);
            if value < best && fits() {
                (best, from) = (value, (before as u32, start as u32));
            }
        }
        if pieces.must_begin(start) {
            break;
        }
    }
    let entry = node * table.width + end;
    (table.values[entry], table.from[entry]) = (best, from);
}

/// For each node and each prefix of the pieces, the best value and where its last stage begins.
struct Table {
    width: usize,
    values: Vec<f64>,
    from: Vec<(u32, u32)>,
}

impl Table {
    fn path(&self, route: &Route, pieces: &Pieces, end: usize) -> Vec<(usize, Range<usize>)> {
        let (mut node, mut piece) = (end, self.width - 1);
        let mut stages = Vec::with_capacity(route.num_stages);
        loop {
            let (before, start) = self.from[node * self.width + piece];
            let layers = pieces.layers(start as usize..piece);
            stages.push((route.nodes[node].kind, layers));
            if before == NOWHERE {
                break;
            }
            (node, piece) = (before as usize, start as usize);
        }
        stages.reverse();
        stages
    }
}
