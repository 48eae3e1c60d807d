//! The best partition of a problem, by time or by memory.

use std::ops::Range;

use super::{
    BestPartition, Partition, PartitionProblem, Sending, UnsolvableError,
    objectives::{Ratio, Time, sums, sums_of_bytes},
    optimal::{Best, Objective, solve},
    pins::Pieces,
    route::Route,
};

impl<'a> PartitionProblem<'a> {
    /// The partition whose slowest stage or cut is as fast as any partition's.
    ///
    /// # Errors
    ///
    /// When a number is none that it can be, pins disagree, or the layers do not fit into the
    /// memory: then for the stage that is short in the partition that comes closest, the one with
    /// the least ratio of need and limit.
    ///
    /// # Complexity
    ///
    /// `O(K n^2)` for `n` layers on `K` devices in a given order. In a free order, with `c_k` devices
    /// of each of `G` kinds, `O(G^2 (c_1 + 1) ... (c_G + 1) n^2)`.
    pub fn solve(&self) -> Result<BestPartition, UnsolvableError> {
        let (route, pieces) = self.prepare()?;
        let time = self.time(f64::INFINITY);
        match solve(&route, &pieces, &time) {
            Some(best) => Ok(self.described(&route, &best, &time)),
            None => Err(self.shortest_of_memory(&route, &pieces)),
        }
    }

    /// As [`solve`](Self::solve), or nothing where nothing fits, or where some stage of that
    /// partition, cuts aside, takes longer than `most`.
    pub(crate) fn solve_below(&self, most: f64) -> Result<Option<BestPartition>, UnsolvableError> {
        let (route, pieces) = self.prepare()?;
        let time = self.time(most);
        let Some(best) = solve(&route, &pieces, &time) else {
            return Ok(None);
        };
        // Where a cut is the bottleneck, stages above `most` may be as good: they are the ones
        // that count.
        if best.bottleneck > most {
            let time = self.time(f64::INFINITY);
            let best = solve(&route, &pieces, &time).expect("what fits below a time fits");
            return Ok(Some(self.described(&route, &best, &time)));
        }
        Ok(Some(self.described(&route, &best, &time)))
    }

    fn time(&self, most: f64) -> Time<'_, 'a> {
        Time {
            problem: self,
            sums: sums(&self.weights),
            bytes: sums_of_bytes(&self.bytes),
            most,
        }
    }

    /// The partition that comes closest to the memory limits, or stays furthest below them: the
    /// greatest ratio of need and limit is as small as any partition's. The ratios are the values
    /// of its stages; devices without a limit count as 0.
    ///
    /// # Errors
    ///
    /// As [`solve`](Self::solve), but for memory.
    pub fn solve_for_memory(&self) -> Result<BestPartition, UnsolvableError> {
        let best = self.solve_for_memory_below(f64::INFINITY)?;
        Ok(best.expect("without limits, something fits"))
    }

    /// As [`solve_for_memory`](Self::solve_for_memory), or nothing where the greatest ratio of every
    /// partition is above `most`.
    pub(crate) fn solve_for_memory_below(
        &self,
        most: f64,
    ) -> Result<Option<BestPartition>, UnsolvableError> {
        let (route, pieces) = self.prepare()?;
        let ratio = self.ratio(most);
        let best = solve(&route, &pieces, &ratio).filter(|it| it.bottleneck <= most);
        Ok(best.map(|it| self.described(&route, &it, &ratio)))
    }

    fn ratio(&self, most: f64) -> Ratio<'_, 'a> {
        Ratio {
            problem: self,
            bytes: sums_of_bytes(&self.bytes),
            most,
        }
    }

    fn described(&self, route: &Route, best: &Best, objective: &impl Objective) -> BestPartition {
        let kinds: Vec<usize> = best.stages.iter().map(|it| it.0).collect();
        let devices = route.devices(&kinds);
        let counts: Vec<usize> = best.stages.iter().map(|it| it.1.len()).collect();
        let partition = Partition::from_counts(&counts, self.num_layers)
            .expect("a path divides all layers among stages that have some");
        let value = |stage: usize| {
            let layers = partition.stage(stage);
            let first = layers.start;
            let value = objective.stage(stage, devices[stage], layers);
            match (self.sending, stage) {
                (Sending::Waited, 1..) => {
                    objective.with_cut(value, devices[stage - 1], devices[stage], first)
                }
                _ => value,
            }
        };
        let cut = |stage: usize| {
            let first = partition.stage(stage).start;
            self.seconds_at_cut(devices[stage - 1], devices[stage], first)
        };
        BestPartition {
            bottleneck: best.bottleneck,
            stages: (0..devices.len()).map(value).collect(),
            cuts: (1..devices.len()).map(cut).collect(),
            partition,
            devices,
        }
    }

    /// The stage that is short of memory where the limits are missed by the least.
    fn shortest_of_memory(&self, route: &Route, pieces: &Pieces) -> UnsolvableError {
        let ratio = self.ratio(f64::INFINITY);
        let best = solve(route, pieces, &ratio).expect("without limits, something fits");
        let best = self.described(route, &best, &ratio);
        let stage = best.slowest_stage();
        let device = best.devices[stage];
        let limit = self.devices[device].memory_bytes.unwrap_or(u64::MAX);
        let need = |layers: Range<usize>| self.need(stage, device, layers, &ratio.bytes);
        // A layer that is too large on its own says more than the stage that it is in.
        let mut alone = best.partition.stage(stage).map(|it| it..it + 1);
        let too_large = alone.find(|it| need(it.clone()) > limit);
        let layers = too_large.unwrap_or_else(|| best.partition.stage(stage));
        let names = (!self.names.is_empty()).then(|| {
            let (first, last) = (layers.start, layers.end - 1);
            (self.names[first].clone(), self.names[last].clone())
        });
        UnsolvableError::Memory {
            need: need(layers.clone()),
            limit,
            layers,
            names,
            stage,
            device,
        }
    }
}
